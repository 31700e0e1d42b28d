// A new key's secret is at hand once; a revoked key is gone at once, and back in its place when the server refuses.
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Key } from '../types'
import { useKey } from './key'

const key = (id: string): Key => ({
  id,
  name: `key ${id}`,
  scopes: ['publish'],
  created_at: '2026-01-01T00:00:00Z',
  last_used_at: null,
})
const answer = (status: number, body: unknown) =>
  vi.stubGlobal('fetch', async () => new Response(JSON.stringify(body), { status }))
const ids = () => useKey().items.map(({ id }) => id)

beforeEach(async () => {
  setActivePinia(createPinia())
  answer(200, { items: ['a', 'b', 'c'].map(key) })
  await useKey().load()
})
afterEach(() => vi.unstubAllGlobals())

test('a new key heads the list, and its secret is not in it', async () => {
  const store = useKey()
  answer(200, { ...key('d'), key: 'br_d_secret' })
  await store.create('key d', ['publish'])
  expect(ids()).toEqual(['d', 'a', 'b', 'c'])
  expect(store.fresh).toEqual({ id: 'd', name: 'key d', key: 'br_d_secret' })
  expect(JSON.stringify(store.items)).not.toContain('secret')
  answer(200, {})
  await store.revoke(store.items[0]!)
  expect([ids(), store.fresh]).toEqual([['a', 'b', 'c'], null])
})

test('two revoked at once, both refused: both are back where they were', async () => {
  const store = useKey()
  answer(503, { code: 'busy' })
  const [a, b] = store.items
  const revoked = [store.revoke(a!), store.revoke(b!)]
  expect(ids()).toEqual(['c'])
  for (const one of await Promise.allSettled(revoked)) expect(one.status).toBe('rejected')
  expect(ids()).toEqual(['a', 'b', 'c'])
})

test('one that is gone already is what was wanted', async () => {
  answer(404, { code: 'not_found' })
  await useKey().revoke(useKey().items[1]!)
  expect(ids()).toEqual(['a', 'c'])
})

test('a list read meanwhile is the truth', async () => {
  const store = useKey()
  answer(503, { code: 'busy' })
  const revoked = store.revoke(store.items[0]!)
  answer(200, { items: ['a', 'z'].map(key) })
  await store.load()
  await expect(revoked).rejects.toMatchObject({ code: 'busy' })
  expect(ids()).toEqual(['a', 'z'])
})

test('the next account sees nothing of it', () => {
  useKey().reset()
  expect([ids(), useKey().readAt, useKey().fresh]).toEqual([[], null, null])
})
