// What the commands of this folder share: the built programs, one run of the bench, and the machine it ran on.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import os from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..', '..')

export function usage(sentence) {
  console.error(sentence)
  process.exit(2)
}

/** A whole number from the environment. */
export function count(name, standard) {
  const value = Number(process.env[name] ?? standard)
  if (!Number.isInteger(value) || value < 1) usage(`${name} is a number, 1 at least`)
  return value
}

export function cargoTarget() {
  const options = ['metadata', '--locked', '--no-deps', '--format-version', '1']
  return JSON.parse(execFileSync('cargo', options, { cwd: root, maxBuffer: 1 << 26 })).target_directory
}

/** Builds programs as packaging/build builds the one that is handed out, and says into which folder. */
export function build(...what) {
  const host = /^host: (.*)$/m.exec(execFileSync('rustc', ['-vV'], { encoding: 'utf8' }))[1]
  const RUSTFLAGS = '-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs'
  execFileSync('cargo', ['build', '--release', '--locked', '--target', host, ...what], {
    cwd: root,
    env: { ...process.env, RUSTFLAGS },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return join(cargoTarget(), host, 'release')
}

/** One run of the bench. A report may come with a fault: something that should not have happened. */
export async function bench(program, args, server, tokens, needsKey) {
  const target = ['--tokens', tokens, '--pid', server.pid, '--json', server.url]
  const env = { ...process.env, ...(needsKey ? { BELLROPE_KEY: server.key } : {}) }
  const child = spawn(program, ['bench', ...args, ...target].map(String), {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  let talk = ''
  child.stdout.on('data', (some) => (said += some))
  child.stderr.on('data', (some) => (talk += some))
  const [status] = await once(child, 'close')
  const fault = status === 0 ? undefined : talk.trim()
  return { report: said ? JSON.parse(said) : undefined, fault }
}

export function machine() {
  const [cpus, gib] = [os.cpus(), Math.round(os.totalmem() / 2 ** 30)]
  const cores = `${cpus.length} cores (${cpus[0].model.trim()}), shared by the server and the load`
  return `${cores}; ${gib} GiB; Linux ${os.release()}; Node ${process.version}`
}
