// Which addresses from outside may become a link or a picture.
import type { SafeUrl } from './types'

/** A `javascript:` or `data:` address would run, or show, what a stranger wrote under the forum's name. */
export const safeUrl: SafeUrl = (url) => {
  if (!url) return null
  let parsed: URL
  try {
    parsed = new URL(url, document.baseURI)
  } catch {
    return null
  }
  return parsed.protocol === 'https:' || parsed.protocol === 'http:' ? parsed.href : null
}
