// Lifting shows at once, is taken back when refused, and nothing of one account is left for the next.
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test, vi } from 'vitest'
import { Problem } from '../api'
import type { Client, Mute } from '../client/types'
import { useInbox } from './inbox'
import { useMute } from './mute'

const muted = { kinds: ['digest'], groups: [], actors: ['7', '8'] }
const unmute = vi.fn<(what: Mute) => Promise<unknown>>()
const preferences = vi.fn<() => Promise<unknown>>()

beforeEach(() => {
  setActivePinia(createPinia())
  unmute.mockReset()
  preferences.mockReset().mockResolvedValue({ muted })
  useInbox().client = { preferences, unmute } as unknown as Client
})

test('a lifted one is gone at once', async () => {
  const mute = useMute()
  await mute.load()
  unmute.mockResolvedValue({ muted: { ...muted, actors: ['8'] } })
  const lifted = mute.lift('actors', '7')
  expect(mute.muted).toEqual({ ...muted, actors: ['8'] })
  await lifted
  expect(unmute).toHaveBeenCalledExactlyOnceWith({ actor: '7' })
  expect(mute.muted.actors).toEqual(['8'])
})

test('a refused one is back, with its reason', async () => {
  const mute = useMute()
  await mute.load()
  unmute.mockRejectedValue(new Problem('busy', 503))
  await expect(mute.lift('kinds', 'digest')).rejects.toMatchObject({ code: 'busy' })
  expect(mute.muted).toEqual(muted)
})

test('lists that cannot be read say why, and keep what was known', async () => {
  const mute = useMute()
  await mute.load()
  preferences.mockRejectedValue(new Problem('unreachable'))
  await mute.load()
  expect([mute.failure?.code, mute.muted]).toEqual(['unreachable', muted])
})

test('the answer to somebody who has logged out changes nothing', async () => {
  const mute = useMute()
  const loaded = mute.load()
  mute.reset()
  await loaded
  expect([mute.readAt, mute.muted.kinds]).toEqual([null, []])
})
