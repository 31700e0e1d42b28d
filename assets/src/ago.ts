// How long ago something was, as people say it. By itself, so that the bell takes this and no page's clock.
const steps = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

/** "5 minutes ago"; null within the last minute, for which languages have a word of their own. */
export function relative(at: Date, now_ms: number, locale: string): string | null {
  // A server's clock a little ahead of ours must not put what has happened into the future.
  const past_s = Math.max(0, (now_ms - at.getTime()) / 1000)
  const step = steps.find(([, length_s]) => past_s >= length_s)
  if (!step) return null
  return new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(
    -Math.floor(past_s / step[1]),
    step[0],
  )
}
