// A real server on a free port and an empty data folder, with the accounts a story needs.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { ask } from './http.mjs'

const bin = resolve(import.meta.dirname, process.env.BELLROPE_BIN ?? '../../target/debug/bellrope')
/** A start takes a tenth of a second, a stop ten seconds at most by contract; the rest is for a busy machine. */
const start_ms_max = 15_000
const stop_ms_max = 12_000

/** The same for every account of every world: nothing here is secret. */
export const PASSWORD = 'correct horse battery'

/** Starts a server that ends with the test file (or the test) it is called in. */
export async function world(...flags) {
  const made = new World(flags)
  after(() => made.end())
  await made.start()
  return made
}

class World {
  /** Where it listens; the same again after a restart. */
  url
  #root = mkdtempSync(join(tmpdir(), 'bellrope-'))
  #flags
  #process
  #setupLink

  constructor(flags) {
    this.#flags = flags
    // An empty settings file, so that none of the machine's own is read.
    writeFileSync(join(this.#root, 'empty.toml'), '')
    // However the run ends, it leaves nothing behind.
    process.once('exit', () => this.#remove())
  }

  get data() {
    return join(this.#root, 'data')
  }

  /** What signs the sessions, to forge tokens with that only a rule can refuse. */
  get secret() {
    return readFileSync(join(this.data, 'session.key'), 'utf8').trim()
  }

  async start() {
    const address = this.url ? new URL(this.url).host : '127.0.0.1:0'
    const child = spawn(bin, ['serve', '--listen', address, ...this.#place, ...this.#flags], {
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    // A failed run must not wait for a server that nobody stops any more.
    for (const handle of [child, child.stdout, child.stderr]) handle.unref()
    // `close` follows `exit` once stderr has been read to its end.
    const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })))
    this.#process = { child, ended, log: '' }
    child.stderr.setEncoding('utf8').on('data', (text) => (this.#process.log += text))
    await bounded(
      start_ms_max,
      this.#announced(child, ended),
      () => `no address within ${start_ms_max} ms\n${this.log}`,
    )
  }

  #announced(child, ended) {
    const lines = createInterface({ input: child.stdout })
    const matched = (pattern) =>
      new Promise((resolve) =>
        lines.on('line', (line) => pattern.test(line) && resolve(pattern.exec(line)[1])),
      )
    this.#setupLink = matched(/^ *(http\S+\/setup#\S+)$/)
    return new Promise((resolve, reject) => {
      void matched(/ listens on (http:\/\/\S+)$/).then((url) => resolve((this.url = url)))
      child.once('error', reject)
      void ended.then(({ code }) => reject(new Error(`the server ended with ${code}\n${this.log}`)))
    })
  }

  /** The first administrator's link, which a server prints that has none. */
  setupLink() {
    return bounded(start_ms_max, this.#setupLink, () => 'no setup link was printed')
  }

  get log() {
    return this.#process.log
  }

  /** A clean stop, as systemd does it. */
  async stop() {
    const { code, signal } = await this.#signal('SIGTERM')
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, `a clean stop\n${this.log}`)
  }

  /** What a power cut looks like from outside. */
  async kill() {
    await this.#signal('SIGKILL')
  }

  #signal(name) {
    const { child, ended } = this.#process
    child.kill(name)
    return bounded(stop_ms_max, ended, () => `no end within ${stop_ms_max} ms of ${name}\n${this.log}`)
  }

  async end() {
    const { child } = this.#process
    try {
      if (child.exitCode === null && child.signalCode === null) await this.stop()
      this.#assertQuiet()
    } finally {
      this.#remove()
    }
  }

  /** No story here is one that a server has to complain about, but for a client that asks while it stops; and none puts a secret
   * into the log. */
  #assertQuiet() {
    const complaints = this.log
      .split('\n')
      .filter((line) => / (WARN|ERROR) |panicked/.test(line) && !line.includes('outcome="stopping"'))
    assert.deepEqual(complaints, [])
    assert.doesNotMatch(this.log, /eyJ[\w-]+\.|\bbr_[^_\s]+_[\w-]/, 'a token or a key is in the log')
  }

  #remove() {
    this.#process?.child.kill('SIGKILL')
    rmSync(this.#root, { recursive: true, force: true })
  }

  get #place() {
    return ['--data', this.data, '--config', join(this.#root, 'empty.toml')]
  }

  /** `bellrope user ...`, as an operator types it while the server runs. */
  user(...args) {
    return new Promise((resolve, reject) => {
      const child = execFile(
        bin,
        ['user', ...args, ...this.#place],
        { env: environment() },
        (error, stdout) => (error ? reject(error) : resolve(stdout)),
      )
      child.stdin.end(`${PASSWORD}\n`)
    })
  }

  /** Makes an account and logs it in. */
  async member(name) {
    await this.user('add', name, '--password-stdin')
    return this.login(name)
  }

  /** Another session of an account, as another browser would open one. */
  async login(name, password = PASSWORD) {
    const answer = await this.api('POST', '/login', { body: { username: name, password } })
    assert.equal(answer.status, 200, answer.text)
    const { token, user } = answer.json
    return { name: user.name, token, session: claims(token).jti }
  }

  ask(path, options) {
    return ask(`${this.url}${path}`, options)
  }

  api(method, path, options) {
    return this.ask(`/api/v1${path}`, { method, ...options })
  }

  /** The demo's route, which answers before or after the sockets hear: a test must not care. */
  async insert(token, agent) {
    const answer = await this.ask('/api/insert', { token, agent })
    assert.deepEqual(answer.json, { code: 200, message: '添加成功~' })
  }
}

export function claims(token) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
}

/** `BELLROPE_BIN` is ours; the server refuses variables that look like settings and are none. */
function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('BELLROPE_')))
}

/** Settles as `promise` does, or fails after `ms` with what `why` says. */
export function bounded(ms, promise, why) {
  let timer
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(why())), ms)))
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
