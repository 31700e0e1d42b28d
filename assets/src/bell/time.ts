// Times as people say them, with the exact moment on hover.
import { h } from './dom'
import type { Language, Words } from './words'

const steps = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

export function ago(at_ms: number, lang: Language, say: Words): string {
  // A server's clock a little ahead of ours must not put what has happened into the future.
  const past_s = Math.max(0, (Date.now() - at_ms) / 1000)
  const step = steps.find(([, length_s]) => past_s >= length_s)
  if (!step) return say.justNow
  return new Intl.RelativeTimeFormat(lang, { numeric: 'auto' }).format(-Math.floor(past_s / step[1]), step[0])
}

export function time(at: string, lang: Language, say: Words): HTMLTimeElement {
  const exact = new Intl.DateTimeFormat(lang, { dateStyle: 'medium', timeStyle: 'medium' })
  const moment = new Date(at)
  return h('time', { datetime: at, title: exact.format(moment) }, ago(moment.getTime(), lang, say))
}

/** Moves the words of all times below `root` on. */
export function tick(root: ParentNode, lang: Language, say: Words): void {
  for (const one of root.querySelectorAll('time')) one.textContent = ago(Date.parse(one.dateTime), lang, say)
}
