// The servers that are compared, and how one of them is started and stopped.
import { spawn } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long a server may take to start, and to stop. */
const START_MS_MAX = 20_000
const STOP_MS_MAX = 20_000
/** After its start, until what it needed for that alone is given back. */
const SETTLE_MS = 1000
/** Above the sockets of the largest run. */
const CONNECTIONS_MAX = 30_000

const secret = randomBytes(32).toString('hex')
const peerKey = randomBytes(16).toString('hex')

/** `store` says what an answered insert promises; peers without one differ from another peer in their store alone. */
export function servers({ program, limit, peers = '', bun }) {
  const node = (store) => ({ command: [process.execPath, join(peers, 'node.js')], env: store })
  const each = (synchronous) => ({ PEER_COMMITS: 'each', PEER_SYNCHRONOUS: synchronous })
  const grouped = { PEER_COMMITS: 'grouped', PEER_SYNCHRONOUS: 'FULL' }
  return {
    bellrope: { title: 'Bellrope', program },
    node: { title: 'Node, FULL', ...node(each('FULL')) },
    'node-normal': { title: 'Node, NORMAL', ...node(each('NORMAL')), isStoreOnly: true },
    'node-grouped': { title: 'Node, grouped', ...node(grouped), isStoreOnly: true },
    bun: { title: 'Bun, grouped', command: [bun, join(peers, 'bun.js')], env: grouped },
    limit: { title: 'the limit', command: [limit], env: {} },
  }
}

/** Members' tokens, as a forum would mint them; every server knows the secret. */
export function writeTokens(file, count) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const [iat, head] = [Math.floor(Date.now() / 1000) - 1, part({ alg: 'HS256', typ: 'JWT' })]
  const token = (number) => {
    const signed = `${head}.${part({ sub: `member-${number}`, iat, exp: iat + 86_400 })}`
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
  }
  writeFileSync(file, Array.from({ length: count }, (_, number) => token(number) + '\n').join(''), {
    mode: 0o600,
  })
}

/** Starts it on an empty folder and a free port. */
export async function start(server, parent) {
  const folder = mkdtempSync(join(parent, 'data-'))
  try {
    return server.program ? await startBellrope(server.program, folder) : await startPeer(server, folder)
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

async function startPeer({ command, env }, folder) {
  const peer = { PEER_DATA: folder, PEER_SECRET: secret, PEER_KEY: peerKey, ...env }
  return { ...(await run(command, { NODE_ENV: 'production', ...peer }, folder)), key: peerKey }
}

async function startBellrope(program, folder) {
  const options = [
    '--listen',
    '127.0.0.1:0',
    '--data',
    folder,
    '--connections-max',
    String(CONNECTIONS_MAX),
    '--log',
    'warn',
  ]
  const running = await run([program, 'serve', ...options], { BELLROPE_FORUM_SECRET: secret }, folder)
  const made = spawn(program, ['key', 'create', 'compare', '--scope', 'publish', '--data', folder])
  let key = ''
  made.stdout.on('data', (some) => (key += some))
  const [status] = await once(made, 'close')
  if (status !== 0) throw new Error('no API key could be made')
  return { ...running, key: key.trim() }
}

async function run([file, ...args], env, folder) {
  const { PATH, HOME } = process.env
  const child = spawn(file, args, { env: { PATH, HOME, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise((resolve) => child.once('close', resolve))
  let said = ''
  const url = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${file} does not start: ${said}`)), START_MS_MAX)
    const hear = (some) => {
      said += some
      const found = /listens on (http:\/\/127\.0\.0\.1:\d+)/.exec(said)
      if (found) resolve(found[1])
    }
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', hear)
    child.once('error', reject)
    ended.then(() => reject(new Error(`${file} ended: ${said}`)))
    ended.then(() => clearTimeout(timer))
  }).catch((error) => {
    child.kill('SIGKILL')
    throw error
  })
  const stop = async () => {
    child.kill('SIGTERM')
    const killed = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    await ended
    clearTimeout(killed)
    rmSync(folder, { recursive: true, force: true })
  }
  return { url, pid: child.pid, stop }
}

/** Its memory in MB once it has settled. */
export async function residentMb(pid) {
  await sleep(SETTLE_MS)
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]
  return (Number(kib) * 1024) / 1e6
}
