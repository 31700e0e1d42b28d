// Times as people say them, with the exact moment on hover.
import { relative } from '../ago'
import { h } from './dom'
import type { Language, Words } from './words'

export function ago(at_ms: number, lang: Language, say: Words): string {
  return relative(new Date(at_ms), Date.now(), lang) ?? say.justNow
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
