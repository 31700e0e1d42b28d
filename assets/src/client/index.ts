// The inbox without a face, for pages that bring their own: `import { connect } from 'https://bell.example/client.js'`.
import { client } from './inbox'
import type { Connect } from './types'

/** Opens one member's inbox. Returns at once; the state says how it goes. */
export const connect: Connect = (options) =>
  client(new URL(options.server ?? import.meta.url, location.href).origin, options)

export { Problem } from './problem'
export { safeUrl } from './url'
export type * from './types'
