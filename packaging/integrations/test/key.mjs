// An API key, as an operator makes one while the server runs.
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'

const bin = resolve(import.meta.dirname, process.env.BELLROPE_BIN ?? '../../../target/debug/bellrope')

export async function apiKey(server, name, scope) {
  const { BELLROPE_BIN: _, ...env } = process.env
  // No settings but the folder: not those of the machine either.
  const place = ['--data', server.data, '--config', '/dev/null']
  const { stdout } = await promisify(execFile)(bin, ['key', 'create', name, '--scope', scope, ...place], {
    env,
  })
  return stdout.trim()
}
