// Where a login leads back to: a path of this very app and nothing else, or a link could send members anywhere.

export function safeBack(wanted: unknown): string {
  if (typeof wanted !== 'string' || !wanted.startsWith('/')) return '/'
  let url: URL
  try {
    url = new URL(wanted, location.origin)
  } catch {
    return '/'
  }
  // `//host` and `/\host` both parse to another origin; an unsafe path also must not become one when it is used again.
  if (url.origin !== location.origin || url.pathname.startsWith('//')) return '/'
  return url.pathname + url.search + url.hash
}
