// Five minutes of what a server counts: rates between answers, gaps that stay gaps, a restart that begins anew.
import { expect, test } from 'vitest'
import { follow, levels, quantile, rates } from './statistics'
import type { Statistics } from './types'

const start = Date.parse('2026-01-01T00:00:00Z')

/** An answer so many seconds later. */
function answer(at_s: number, publishes: number, counts: number[] = [0, 0, 0], started_s = 0): Statistics {
  const bounds = [0.01, 0.1, null]
  return {
    time: new Date(start + at_s * 1000).toISOString(),
    started_at: new Date(start + started_s * 1000).toISOString(),
    totals: { publishes },
    store: {
      waiting: publishes,
      commits: {
        count: counts.reduce((sum, count) => sum + count, 0),
        seconds: 0,
        buckets: counts.map((count, index) => ({ up_to: bounds[index], count })),
      },
    },
  } as Statistics
}
const publishes = (one: Statistics) => one.totals.publishes
const shape = (points: { value: number; joined: boolean }[]) =>
  points.map(({ value, joined }) => [value, joined])

test('a rate is what came between two answers, and a time nobody asked is no line', () => {
  const history = [answer(0, 0), answer(2, 10), answer(4, 10), answer(64, 70), answer(66, 72)]
  expect(shape(rates(history, publishes))).toEqual([
    [5, false],
    [0, true],
    [1, false],
    [1, true],
  ])
  expect(shape(levels(history, (one) => one.store.waiting)).map(([, joined]) => joined)).toEqual([
    false,
    true,
    true,
    false,
    true,
  ])
  expect(levels(history, () => null)).toEqual([])
})

test('where nothing was done there is no time that it took', () => {
  const commits = (one: Statistics) => one.store.commits.count
  const history = [answer(0, 0), answer(2, 8, [4, 0, 0]), answer(4, 8, [4, 0, 0]), answer(6, 9, [5, 0, 0])]
  expect(shape(rates(history, publishes, commits))).toEqual([
    [2, false],
    [1, false],
  ])
})

test('what is older than five minutes goes, and all of it when the server starts anew', () => {
  let history: Statistics[] = []
  for (const at_s of [0, 2, 301]) history = follow(history, answer(at_s, at_s))
  expect(history.map(publishes)).toEqual([2, 301])
  expect(follow(history, answer(303, 1, [0, 0, 0], 302)).map(publishes)).toEqual([1])
})

test('nearly all commits took at most so long', () => {
  expect(quantile(0.99, answer(0, 0))).toBeNull()
  expect(quantile(0.5, answer(0, 0, [100, 0, 0]))).toBeCloseTo(0.005)
  expect(quantile(0.99, answer(0, 0, [98, 2, 0]))).toBeCloseTo(0.055)
  expect(quantile(0.99, answer(0, 0, [0, 0, 3])), 'more than the last bound').toBe(0.1)
  // Those of before do not count.
  expect(quantile(0.99, answer(2, 0, [100, 10, 0]), answer(0, 0, [0, 10, 0]))).toBeCloseTo(0.0099)
})
