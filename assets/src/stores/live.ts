// The counter page's own socket, open while that page is: how it stands, and what it has heard, newest first.
//
// The inbox's client holds another, one for all tabs, and does not share it: what `message` brings belongs to a single socket
// (its greeting, the answers to what it said), so each tab that shows the counter needs its own.
import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import type { Live, State } from '../live'
import { lostBy } from '../types'
import { useAccount } from './account'
import { useCounter } from './counter'

/** Enough to read back a while; an unbounded list would slow a tab that stays open for days. */
const heard_max = 100

export interface Heard {
  id: number
  at: Date
  kind: 'hello' | 'age' | 'text' | 'online' | 'offline'
  text: string
}

export const useLive = defineStore('live', () => {
  const account = useAccount()
  const counter = useCounter()
  const state = ref<State>('connecting')
  /** Since when `state` holds. */
  const since = ref(new Date())
  const heard = shallowRef<readonly Heard[]>([])
  let socket: Live | null = null
  let generation = 0
  let nextId = 1

  async function start(): Promise<void> {
    stop()
    const mine = generation
    const { open } = await import('../live')
    // Somebody may have logged out while the code was on its way.
    if (mine !== generation) return
    socket = open(() => account.token, {
      state: become,
      message: hear,
      ended,
      refused: () => void account.load(),
    })
  }

  function stop(): void {
    generation += 1
    socket?.close()
    socket = null
    state.value = 'connecting'
    since.value = new Date()
  }

  function reset(): void {
    heard.value = []
  }

  function become(next: State): void {
    if (next === 'live') {
      note('online', '')
      // Whatever was counted while nobody listened is only in the store.
      void account.load()
    } else if (next === 'offline' && state.value === 'live') note('offline', '')
    if (next === state.value) return
    state.value = next
    since.value = new Date()
  }

  function hear(body: string | number): void {
    if (typeof body === 'number') counter.hear(body)
    note(typeof body === 'number' ? 'age' : body === 'hello' ? 'hello' : 'text', String(body))
  }

  function note(kind: Heard['kind'], text: string): void {
    heard.value = [{ id: nextId++, at: new Date(), kind, text }, ...heard.value].slice(0, heard_max)
  }

  const ended = (reason: string) => account.leave(lostBy(reason))

  const send = (text: string) => socket?.send(text)
  const retry = () => socket?.retry()

  return { state, since, heard, start, stop, reset, send, retry }
})
