// Both languages say the same things, every code has words, and no page asks for words that are not there.
import { expect, test } from 'vitest'
import { clientCodes, lostCodes, serverCodes } from '../types'
import en from './en'
import { i18n, ofBrowser } from './index'
import zh from './zh-CN'

const keys = (words: object, path = ''): string[] =>
  Object.entries(words).flatMap(([key, value]) =>
    typeof value === 'string' ? [path + key] : keys(value as object, `${path}${key}.`),
  )
const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort()
const say = (language: 'en' | 'zh-CN', key: string) => i18n.global.t(key, {}, { locale: language })

test('the same keys, with the same places to fill', () => {
  expect(keys(zh)).toEqual(keys(en))
  for (const key of keys(en)) {
    const [english, chinese] = [en, zh].map((words) =>
      key.split('.').reduce<unknown>((node, part) => (node as Record<string, unknown>)[part], words),
    )
    expect(holes(String(chinese)), key).toEqual(holes(String(english)))
  }
})

test('every code has words', () => {
  for (const code of [...serverCodes, ...clientCodes]) expect(keys(en)).toContain(`problem.${code}`)
  for (const code of lostCodes) expect(keys(en)).toContain(`login.lost.${code}`)
})

test('every key a source names exists', () => {
  const sources = import.meta.glob(['../**/*.vue', '../**/*.ts'], {
    query: '?raw',
    import: 'default',
    eager: true,
  })
  const named = Object.values(sources).flatMap((source) =>
    [...String(source).matchAll(/\bt\('([\w.]+)'|words="([\w.]+)"/g)].map(([, call, prop]) => call ?? prop),
  )
  expect(named.length).toBeGreaterThan(50)
  for (const key of named) expect(keys(en)).toContain(key)
})

test('every sentence compiles, and none shouts', () => {
  for (const key of keys(en)) {
    for (const language of ['en', 'zh-CN'] as const) {
      expect(say(language, key), key).not.toBe(key)
      expect(say(language, key), key).not.toMatch(/[!！]/)
    }
  }
})

test('the browser decides until somebody chooses', () => {
  expect(ofBrowser(['fr', 'zh-TW', 'en'])).toBe('zh-CN')
  expect(ofBrowser(['en-GB', 'zh'])).toBe('en')
  expect(ofBrowser(['fr'])).toBe('en')
})
