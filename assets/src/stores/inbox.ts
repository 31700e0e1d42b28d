// The inbox's client, one for each login: how it stands, its counts, and what arrives. Its code is fetched at the first login.
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import type { Client, EndReason, State } from '../client/types'
import type { State as Connection } from '../live'
import { lostBy } from '../types'
import { useAccount } from './account'

/** The client's words for how it stands, in those of the counter's socket: the pages show both alike. */
const connections: Record<State['connection'], Connection> = {
  connecting: 'connecting',
  online: 'live',
  offline: 'offline',
  ended: 'refused',
}

export interface News {
  id: number
  title: string
  /** It is in no list. */
  passing: boolean
}

export const useInbox = defineStore('inbox', () => {
  const account = useAccount()
  const client = shallowRef<Client | null>(null)
  const state = shallowRef<State | null>(null)
  /** Since when the connection stands as it does. */
  const since = ref(new Date())
  /** What arrived last while this page was there to hear it: it rings the bell. */
  const news = shallowRef<News | null>(null)
  let generation = 0
  let nextId = 1

  const connection = computed(() => connections[state.value?.connection ?? 'connecting'])
  const counts = computed(() => state.value?.counts ?? { unread: 0, unseen: 0 })
  const inStepAt = computed(() => {
    const at_ms = state.value?.inStepAt_ms ?? null
    return at_ms === null ? null : new Date(at_ms)
  })

  async function start(): Promise<void> {
    stop()
    const mine = generation
    const { connect } = await import('../client')
    // Somebody may have logged out while the code was on its way.
    if (mine !== generation) return
    const made = connect({ server: location.origin, token: account.token })
    made.subscribe(become)
    made.on('arrived', ({ item, replayed }) => replayed || tell(item.title, false))
    made.on('transient', ({ item }) => tell(item.title, true))
    made.on('ended', ({ reason }) => ended(reason))
    become(made.state)
    client.value = made
  }

  function stop(): void {
    generation += 1
    client.value?.close()
    client.value = null
    news.value = null
    become(null)
  }

  function become(next: State | null): void {
    if (next?.connection !== state.value?.connection) since.value = new Date()
    state.value = next
  }

  function tell(title: string, passing: boolean): void {
    news.value = { id: nextId++, title, passing }
  }

  function ended(reason: EndReason): void {
    // Only HTTP tells why a token was not taken.
    if (reason === 'token_invalid') void account.load()
    else account.leave(lostBy(reason))
  }

  const retry = () => (connection.value === 'refused' ? void start() : client.value?.retry())

  return { client, connection, since, counts, inStepAt, news, start, stop, retry }
})
