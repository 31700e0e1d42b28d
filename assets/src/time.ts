// Times as people say them: how long ago, and the exact moment for whoever asks.
import { readonly, ref } from 'vue'

export { relative } from './ago'

export function exact(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' }).format(at)
}

/** The date alone, for what is far enough away. */
export function day(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(at)
}

export function clock(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { timeStyle: 'medium' }).format(at)
}

const ticking = ref(Date.now())
setInterval(() => (ticking.value = Date.now()), 15_000)

/** The present, one clock for the whole page, moved on every 15 seconds. */
export const now_ms = readonly(ticking)
