// A real FlaskBB on a free port: an empty SQLite, the plugins, an administrator and members. And its pages, as a member
// uses them.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { promisify } from 'node:util'
import { visitor } from '../../../../tests/clients/browser.mjs'
import { bounded } from '../../../../tests/clients/world.mjs'

const run = promisify(execFile)
const venv = process.env.FLASKBB_VENV ?? assert.fail('FLASKBB_VENV is not set: run tests/integrations')
const plugin = join(import.meta.dirname, '..')
/** It starts in three seconds; the rest is for a busy machine. */
const start_ms_max = 60_000
/** A page is ready when the forum's part of it is: it must not wait for the bell's script. */
const READY = { waitUntil: 'domcontentloaded' }
const PASSWORD = 'correct horse battery'

/** Installs and starts a forum with the given settings, and ends it with the test file. */
export async function forum(settings, members) {
  const made = new Forum()
  after(() => made.end())
  await made.install(settings, members)
  await made.start()
  return made
}

class Forum {
  url
  /** What it said on stderr, where its log goes. */
  log = ''
  #root = mkdtempSync(join(tmpdir(), 'flaskbb-'))
  #config = join(this.#root, 'flaskbb.cfg')
  #process

  /** As the plugin's README says, from the folder as it is. */
  async install(settings, members) {
    process.once('exit', () => this.end())
    const site = join(this.#root, 'site')
    const pip = [
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '--no-deps',
      '--no-build-isolation',
      '--no-index',
    ]
    await run(join(venv, 'bin/pip'), [...pip, '--target', site, plugin])
    for (const folder of ['avatars', 'attachments']) mkdirSync(join(this.#root, folder))
    const all = {
      SQLALCHEMY_DATABASE_URI: `sqlite:///${join(this.#root, 'forum.sqlite')}`,
      SECRET_KEY: 'not a secret',
      WTF_CSRF_SECRET_KEY: 'not a secret either',
      AVATAR_UPLOAD_PATH: join(this.#root, 'avatars'),
      ATTACHMENT_UPLOAD_PATH: join(this.#root, 'attachments'),
      // Warnings and worse go to stderr.
      USE_DEFAULT_LOGGING: false,
      RATELIMIT_ENABLED: false,
      TRUSTED_HOSTS: ['127.0.0.1'],
      // Nothing from elsewhere.
      EMOJI_BASE_URL: null,
      ...settings,
    }
    const python = { null: 'None', true: 'True', false: 'False' }
    const lines = Object.entries(all).map(
      ([name, value]) => `${name} = ${python[String(value)] ?? JSON.stringify(value)}\n`,
    )
    writeFileSync(this.#config, lines.join(''))
    const plugins = ['--enable-plugins', 'like,conversations,bellrope']
    await this.command('install', '--force', ...account('admin'), ...plugins)
    for (const name of members) await this.command('users', 'new', ...account(name), '--group', 'member')
  }

  /** `flaskbb ...`, as an operator types it. */
  async command(...args) {
    const place = ['--config', this.#config, '--instance', this.#root]
    return run(join(venv, 'bin/flaskbb'), [...place, ...args], { env: this.#environment })
  }

  /** What takes too many pages to do by hand. */
  async sql(statement) {
    const program =
      'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()'
    await run(join(venv, 'bin/python'), ['-c', program, join(this.#root, 'forum.sqlite'), statement])
  }

  async start() {
    const port = this.url ? new URL(this.url).port : '0'
    const serve = join(import.meta.dirname, 'serve.py')
    const child = spawn(join(venv, 'bin/python'), [serve, this.#config, port], {
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    // A failed run must not wait for a forum that nobody stops any more.
    for (const handle of [child, child.stdout, child.stderr]) handle.unref()
    const ended = new Promise((resolve) => child.once('close', resolve))
    this.#process = { child, ended }
    child.stderr.setEncoding('utf8').on('data', (text) => (this.log += text))
    const announced = new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', resolve)
      void ended.then((code) => reject(new Error(`the forum ended with ${code}\n${this.log}`)))
    })
    this.url = await bounded(start_ms_max, announced, () => `no forum within ${start_ms_max} ms\n${this.log}`)
  }

  /** A clean stop. */
  async stop() {
    this.#process.child.kill('SIGTERM')
    await this.#process.ended
  }

  end() {
    this.#process?.child.kill('SIGKILL')
    rmSync(this.#root, { recursive: true, force: true })
  }

  get #environment() {
    return {
      ...process.env,
      PYTHONPATH: join(this.#root, 'site'),
      PYTHONDONTWRITEBYTECODE: '1',
    }
  }

  /** A member in a browser of their own, logged in. */
  async member(name, origins) {
    const browser = await visitor({ origins: [this.url, ...origins] })
    const page = await browser.page(`${this.url}/auth/login`)
    await page.fill('[name=login]', name)
    await page.fill('[name=password]', PASSWORD)
    await page.click('[name=submit], form button[type=submit]')
    await page.waitForURL(`${this.url}/`)
    return new Member(this, name, browser, page)
  }
}

const account = (name) => ['--username', name, '--email', `${name}@example.org`, '--password', PASSWORD]

class Member {
  constructor(forum, name, browser, page) {
    Object.assign(this, { forum, name, browser, page })
  }

  /** Another tab of the same browser. */
  async tab(path = '/') {
    return this.browser.page(this.forum.url + path)
  }

  go(path) {
    return this.page.goto(this.forum.url + path, READY)
  }

  /** Opens a topic in the forum that every FlaskBB begins with. */
  async topic(title, content) {
    await this.go('/1/topic/new')
    await this.page.fill('[name=title]', title)
    await this.page.fill('[name=content]', content)
    await this.page.click('[name=submit]')
    await this.page.waitForURL(/\/topic\/\d+/, READY)
    return Number(/\/topic\/(\d+)/.exec(this.page.url())[1])
  }

  /** Answers whether or not Bellrope is there; gives the new post's id. */
  async reply(topic, content) {
    await this.go(`/topic/${topic}`)
    await this.page.fill('[name=content]', content)
    await this.page.click('[name=submit]')
    await this.page.waitForURL(/#pid\d+$/, READY)
    return Number(/\d+$/.exec(this.page.url())[0])
  }

  async edit(post, content) {
    await this.go(`/post/${post}/edit`)
    await this.page.fill('[name=content]', content)
    await this.page.click('[name=submit]')
    await this.page.waitForURL(/\/topic\//, READY)
  }

  /** Presses the heart of a post: on, and off again. The heart answers without a new page. */
  async press(topic, post) {
    await this.go(`/topic/${topic}`)
    const heart = (part) => this.page.locator(`.like-widget[data-post-id="${post}"] button.${part}`)
    const [before, then] = (await heart('far').count()) ? ['far', 'fas'] : ['fas', 'far']
    await heart(before).click()
    await heart(then).waitFor()
  }

  async write(to, subject, text) {
    await this.go('/conversations/new')
    await this.page.fill('[name=to_user]', to)
    await this.page.fill('[name=subject]', subject)
    await this.page.fill('[name=message]', text)
    await this.page.click('[name=send_message]')
    await this.page.waitForURL('**/conversations/sent', READY)
  }

  /** What a button of the forum's that only posts would do. */
  async post(path) {
    const status = await this.page.evaluate(async (path) => {
      const token = document.querySelector('meta[name=csrf-token]').content
      const body = new URLSearchParams({ csrf_token: token })
      return (await fetch(path, { method: 'POST', body })).status
    }, path)
    assert.equal(status, 200, path)
  }
}
