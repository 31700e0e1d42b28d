// Where an item leads, and whom it names.
import { expect, test } from 'vitest'
import type { Item } from './client/types'
import { linkOf, people } from './item'

test.each(['https://forum.example/t/1#991', 'HTTP://forum.example/'])('%s is a link', (url) => {
  expect(linkOf(url)).toBe(url)
})

test.each([null, '/t/1', '//evil.example/', 'javascript:alert(1)', ' https://x.example', 'data:text/html,x'])(
  '%s is none here',
  (url) => {
    expect(linkOf(url)).toBeNull()
  },
)

const actor = (id: string, name: string | null = null) => ({ id, name, avatar: null })
const item = (count: number, ...actors: ReturnType<typeof actor>[]) =>
  ({ count, actors, actor: actors[0] ?? null }) as unknown as Item

test('nobody, one, two, many; an actor without a name goes by the id', () => {
  expect(people(item(1))).toEqual({ first: null, second: null, others: 0 })
  expect(people(item(1, actor('7', 'Ann')))).toEqual({ first: 'Ann', second: null, others: 0 })
  expect(people(item(2, actor('7', 'Ann'), actor('8')))).toEqual({ first: 'Ann', second: '8', others: 1 })
  expect(people(item(9, actor('7', 'Ann'), actor('8', 'Bob')))).toMatchObject({ second: null, others: 8 })
})
