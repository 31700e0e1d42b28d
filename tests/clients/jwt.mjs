// Tokens that are wrong in one way each, made from one that is right.
import { createHmac } from 'node:crypto'
import { claims } from './world.mjs'

const HEADER = { typ: 'br-session+jwt', alg: 'HS256' }

export function mint(header, body, secret) {
  const head = [header, body].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const hash = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' }[header.alg]
  const signature = hash ? createHmac(hash, secret).update(head).digest('base64url') : ''
  return `${head}.${signature}`
}

/** Each with the code that `GET /api/v1/me` refuses it by. `token` is a live session's, `secret` the server's own. */
export function wrongTokens(token, secret) {
  const body = claims(token)
  const now_s = Math.floor(Date.now() / 1000)
  const ours = (changed, header = HEADER) => mint(header, { ...body, ...changed }, secret)
  const [head, , signature] = token.split('.')
  const otherBody = Buffer.from(JSON.stringify({ ...body, sub: '@root' })).toString('base64url')
  const invalid = {
    garbage: 'garbage',
    'three empty parts': '..',
    'a token with something after it': `${token}x`,
    'signed by somebody else': mint(HEADER, body, 'not the secret of this server, but as long as it'),
    'signed with an empty secret': mint(HEADER, body, ''),
    'another body under the same signature': `${head}.${otherBody}.${signature}`,
    'alg none': ours({}, { ...HEADER, alg: 'none' }),
    'alg nOnE with our signature': `${ours({}, { ...HEADER, alg: 'nOnE' })}${signature}`,
    'alg HS512': ours({}, { ...HEADER, alg: 'HS512' }),
    'another kind of token': ours({}, { ...HEADER, typ: 'JWT' }),
    'no kind': ours({}, { alg: 'HS256' }),
    'no exp': ours({ exp: undefined }),
    'no jti': ours({ jti: undefined }),
    'not good yet': ours({ nbf: now_s + 60 }),
    'over 4 KiB': ours({ padding: 'x'.repeat(4096) }),
  }
  return [
    ...Object.entries(invalid).map(([what, wrong]) => ({ what, wrong, code: 'token_invalid' })),
    // Five seconds are forgiven, for clocks that differ.
    { what: 'expired', wrong: ours({ exp: now_s - 6 }), code: 'token_expired' },
    { what: 'of a session there never was', wrong: ours({ jti: 'f'.repeat(32) }), code: 'token_revoked' },
    { what: 'of a member there is not', wrong: ours({ sub: '@nobody' }), code: 'token_revoked' },
  ]
}
