// What is measured, and what Bellrope must reach: in each row a figure of one run of `bellrope bench`.

/** Sockets of the runs in which callers wait for commits, and of the one that counts connects. */
const COMMIT_SOCKETS = 1000
const CONNECT_SOCKETS = 5000
/** Before a run: what a server compiles or allocates once only is not what is compared. */
const WARM_UP = { sockets: 200, seconds: 2 }

/** What each run tells the bench. One with `isCold` is on a server that has done nothing yet. */
export function runs({ sockets, seconds }) {
  const [few, some] = [Math.min(COMMIT_SOCKETS, sockets), Math.min(CONNECT_SOCKETS, sockets)]
  const timed = (count, ...args) => ({
    args: [...args, '--sockets', count, '--seconds', seconds],
    warmUp: [...args, '--sockets', Math.min(WARM_UP.sockets, count), '--seconds', WARM_UP.seconds],
  })
  return {
    idle: { args: ['idle', '--sockets', sockets, '--seconds', 3], isCold: true },
    connect: { args: ['connect', '--sockets', some], warmUp: ['connect', '--sockets', few] },
    insert: { ...timed(few, 'insert', '--callers', 64), isOfStore: true },
    push: { ...timed(few, 'push', '--send', 'insert', '--rate', 1000), isOfStore: true },
    transient: { ...timed(sockets, 'push', '--send', 'transient', '--rate', 1000), needsKey: true },
    fanout: { ...timed(sockets, 'fanout', '--send', 'everyone'), needsKey: true },
    fanout8: { ...timed(sockets, 'fanout', '--send', 'everyone', '--in-flight', 8), needsKey: true },
    named: { ...timed(sockets, 'fanout'), needsKey: true },
  }
}

const atLeast = (times, of) => ({ times, of, isMore: true })
const atMost = (times, of) => ({ times, of, isMore: false })
/** Without `of`: the figure itself. */
const within = (times) => ({ times, isMore: false })

const told = (count) => count.toLocaleString('en')

/** `near` is what to come near to, where it is not a must. */
export const rows = ({ sockets }) => [
  {
    title: `durable inserts/s, pushed: 64 callers, ${told(Math.min(COMMIT_SOCKETS, sockets))} sockets`,
    run: 'insert',
    figure: (report) => report.inserts_a_second,
    isMore: true,
    musts: [atLeast(12, 'node'), atLeast(2, 'node-grouped'), atLeast(1.25, 'best')],
    near: atLeast(0.8, 'limit'),
  },
  {
    title: 'push p99 at a steady 1,000 durable/s, ms',
    run: 'push',
    figure: (report) => report.push_us.p99 / 1e3,
    musts: [atMost(0.25, 'node')],
    near: atMost(1.5, 'limit'),
  },
  {
    title: `transient push p99 at 1,000/s, ${told(sockets)} sockets, ms`,
    run: 'transient',
    figure: (report) => report.push_us.p99 / 1e3,
    musts: [atMost(0.15, 'node'), atMost(1, 'best')],
    near: atMost(1.5, 'limit'),
  },
  {
    title: 'CPU a push in that run, µs',
    run: 'transient',
    figure: (report) => report.server_cpu_us_a_push,
    musts: [atMost(0.3, 'node')],
    near: atMost(1.3, 'limit'),
  },
  {
    title: `fan-out to ${told(sockets)}, one in flight, messages/s`,
    run: 'fanout',
    figure: (report) => report.messages_a_second,
    isMore: true,
    musts: [atLeast(4, 'node'), atLeast(2, 'best')],
    near: atLeast(0.8, 'limit'),
  },
  {
    title: `fan-out to ${told(sockets)}, 8 in flight, messages/s`,
    run: 'fanout8',
    figure: (report) => report.messages_a_second,
    isMore: true,
    musts: [atLeast(10, 'node'), atLeast(1, 'best')],
    near: atLeast(0.7, 'limit'),
  },
  {
    title: `the same to ${told(sockets)} who are named, one in flight`,
    run: 'named',
    figure: (report) => report.messages_a_second,
    isMore: true,
    musts: [],
  },
  {
    title: 'authenticated connects/s',
    run: 'connect',
    figure: (report) => report.connects_a_second,
    isMore: true,
    musts: [atLeast(3, 'node'), atLeast(1.1, 'bun')],
    near: atLeast(0.8, 'limit'),
  },
  {
    title: `KiB a connected idle socket, of ${told(sockets)}`,
    run: 'idle',
    figure: (report) => report.server_kib_a_socket,
    musts: [within(16), atMost(1.25, 'node')],
    near: atMost(0.7, 'node'),
  },
  {
    title: 'resident memory, started, empty, MB',
    run: 'idle',
    figure: (report) => report.started_mb,
    musts: [within(15)],
  },
]
