// Who is signed in here: the token, shared by all tabs of this browser, and the user it belongs to.
import { defineStore } from 'pinia'
import { ref } from 'vue'
import { get, guardWith, post, postOpen, Problem } from '../api'
import type { Login, LostCode, User } from '../types'
import { useCounter } from './counter'

const key = 'bellrope.token'

export const useAccount = defineStore('account', () => {
  const counter = useCounter()
  const token = ref(localStorage.getItem(key))
  const user = ref<User | null>(null)
  /** Why the user could not be read; null while reading and after success. */
  const failure = ref<Problem | null>(null)
  /** Why the last session is gone, to be said on the login page. */
  const lost = ref<LostCode | null>(null)

  /** While logging out, the server's word that the session has ended is no news. */
  let leaving = false

  guardWith({ token: () => token.value, lost: leave })
  addEventListener('storage', (event) => {
    // A null key: the whole storage was cleared.
    if ((event.key !== key && event.key !== null) || event.newValue === token.value) return
    const next = localStorage.getItem(key)
    if (next === null) leave('elsewhere')
    else become(next, null)
  })

  const login = (username: string, password: string) => enter('/login', { username, password })
  const register = (username: string, password: string) => enter('/register', { username, password })
  const setup = (link: string, username: string, password: string) =>
    enter('/setup', { token: link, username, password })

  async function enter(path: string, body: object): Promise<void> {
    const answer = await postOpen<Login>(path, body)
    localStorage.setItem(key, answer.token)
    become(answer.token, answer.user)
  }

  function become(next: string, known: User | null): void {
    counter.reset()
    lost.value = null
    failure.value = null
    user.value = known
    if (known) counter.read(known.age, known.update_date)
    token.value = next
  }

  /** Reads the user again. Never throws: a failure is kept for the page to show. */
  async function load(): Promise<void> {
    const asked = token.value
    if (asked === null) return
    failure.value = null
    try {
      const answer = await get<User>('/me')
      if (token.value !== asked) return
      user.value = answer
      counter.read(answer.age, answer.update_date)
    } catch (problem) {
      if (token.value === asked && problem instanceof Problem) failure.value = problem
    }
  }

  async function logout(): Promise<void> {
    const asked = token.value
    leaving = true
    try {
      await post('/logout')
    } catch (problem) {
      // A session the server no longer knows is as good as logged out.
      if (problem instanceof Problem && problem.status !== 401) throw problem
    } finally {
      leaving = false
    }
    if (token.value === asked) leave(null)
  }

  function leave(why: LostCode | null): void {
    // Another tab's token, if there is one by now, is not ours to remove.
    if (localStorage.getItem(key) === token.value) localStorage.removeItem(key)
    token.value = null
    user.value = null
    lost.value = leaving ? null : why
    counter.reset()
  }

  const changePassword = (current: string, next: string) => post('/me/password', { current, new: next })

  return { token, user, failure, lost, login, register, setup, load, logout, leave, changePassword }
})
