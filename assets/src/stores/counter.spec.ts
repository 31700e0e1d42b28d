// The number never goes down wrongly, and a refused press is taken back.
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Problem } from '../api'
import { useCounter } from './counter'

type Answer = (status: number, body: object) => void
let answers: Answer[]
const settled = () => new Promise((resolve) => setTimeout(resolve))

beforeEach(() => {
  setActivePinia(createPinia())
  answers = []
  vi.stubGlobal(
    'fetch',
    () =>
      new Promise<Response>((resolve) =>
        answers.push((status, body) => resolve(new Response(JSON.stringify(body), { status }))),
      ),
  )
})
afterEach(() => vi.unstubAllGlobals())

test('what the socket says counts, unless it is older than what is known', () => {
  const counter = useCounter()
  counter.read(5, null)
  counter.hear(7)
  counter.hear(6)
  counter.read(6, '2026-01-01T00:00:00Z')
  expect(counter.age).toBe(7)
})

test('a press shows at once and is not counted twice when the socket is first', async () => {
  const counter = useCounter()
  counter.read(5, null)
  const pressed = counter.add()
  expect(counter.age).toBe(6)
  counter.hear(6)
  expect(counter.age).toBe(6)
  answers[0]?.(200, { age: 6 })
  await pressed
  expect(counter.age).toBe(6)
})

test('a refused press is taken back, and the one after it promises one less', async () => {
  const counter = useCounter()
  counter.read(5, null)
  const first = counter.add().catch((problem: unknown) => problem)
  const second = counter.add()
  expect(counter.age).toBe(7)
  answers[0]?.(503, { code: 'busy' })
  expect(await first).toBeInstanceOf(Problem)
  expect(counter.age).toBe(6)
  answers[1]?.(200, { age: 6 })
  await second
  expect(counter.age).toBe(6)
})

test('the answer to somebody who has logged out changes nothing', async () => {
  const counter = useCounter()
  counter.read(5, null)
  void counter.add()
  counter.reset()
  answers[0]?.(200, { age: 6 })
  await settled()
  expect(counter.age).toBeNull()
})
