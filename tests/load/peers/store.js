// The members' ages, in SQLite with a write-ahead log. `PEER_SYNCHRONOUS=FULL`: an answered insert outlives a power loss, which
// is what Bellrope promises; `NORMAL`: it outlives the process only. `PEER_COMMITS=each`: one commit an insert, as the demo
// writes; `grouped`: one for all inserts that came in the same turn of the event loop.
import { join } from 'node:path'
import { folder } from './demo.js'

/** `Database` is better-sqlite3's or Bun's. `tell(member, age)` is called after the commit, in the order of the ages. */
export function open(Database, tell) {
  const database = new Database(join(folder, 'peer.sqlite'))
  const synchronous = process.env.PEER_SYNCHRONOUS === 'NORMAL' ? 'NORMAL' : 'FULL'
  database.exec('PRAGMA journal_mode = WAL')
  database.exec(`PRAGMA synchronous = ${synchronous}`)
  database.exec(
    'CREATE TABLE user (id TEXT PRIMARY KEY, age INTEGER NOT NULL, update_date TEXT NOT NULL) WITHOUT ROWID',
  )
  const press = database.prepare(
    `INSERT INTO user VALUES (?, 1, ?)
     ON CONFLICT (id) DO UPDATE SET age = age + 1, update_date = excluded.update_date RETURNING age`,
  )
  const add = (member) => press.get(member, new Date().toISOString()).age
  return process.env.PEER_COMMITS === 'grouped'
    ? grouped(database, add, tell)
    : { add: (member) => tell(member, add(member)) }
}

function grouped(database, add, tell) {
  let waiting = []
  const commit = database.transaction((inserts) => {
    for (const insert of inserts) insert.age = add(insert.member)
  })
  const turn = () => {
    const inserts = waiting
    waiting = []
    try {
      commit(inserts)
    } catch (error) {
      for (const insert of inserts) insert.reject(error)
      return
    }
    for (const { member, age, resolve } of inserts) {
      tell(member, age)
      resolve()
    }
  }
  return {
    add: (member) =>
      new Promise((resolve, reject) => {
        if (waiting.push({ member, resolve, reject }) === 1) setImmediate(turn)
      }),
  }
}
