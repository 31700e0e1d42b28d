// What a member does to an item. The client shows it at once; here is said when it is taken back, and how to undo it.
import { useI18n } from 'vue-i18n'
import { isProblem } from './api'
import type { Client, Item, Mute, Selector } from './client/types'
import { useProblemWords } from './i18n/problem'
import { useAccount } from './stores/account'
import { useInbox } from './stores/inbox'
import { muteOf, useMute, type MuteList } from './stores/mute'
import { useToast } from './stores/toast'

export function useDeeds() {
  const account = useAccount()
  const inbox = useInbox()
  const mute = useMute()
  const toast = useToast()
  const words = useProblemWords()
  const { t } = useI18n()

  /** Waits for the server's word, and says so when it is a no: in the sentence `said`, if one is named. Whether it was a yes. */
  async function settle(asked: Promise<unknown>, said?: string): Promise<boolean> {
    try {
      await asked
      return true
    } catch (problem) {
      if (!isProblem(problem)) throw problem
      // A lost session is said on the login page.
      if (account.token === null) return false
      const sentence = said ?? (problem.outcomeUnknown ? 'inbox.unknown' : 'inbox.refused')
      toast.failed(t(sentence, { why: words(problem) }))
      return false
    }
  }

  async function ask(doing: (client: Client) => Promise<unknown>): Promise<boolean> {
    return inbox.client ? settle(doing(inbox.client)) : false
  }

  const only = (item: Item) => ({ ids: [item.id] })
  const read = (what: Selector) => ask((client) => client.read(what))
  const opened = (item: Item) => (item.read ? Promise.resolve(true) : read(only(item)))
  const toggleRead = (item: Item) =>
    item.read ? ask((client) => client.unread(only(item))) : read(only(item))
  const remove = (item: Item) => ask((client) => client.remove(item.id))

  async function toggleArchived(item: Item): Promise<void> {
    if (item.archived) return void (await ask((client) => client.unarchive(only(item))))
    if (await ask((client) => client.archive(only(item))))
      toast.done(t('inbox.archived'), () => void unarchive(item))
  }

  /** Back as it was: an archived item comes back as read. */
  const unarchive = (item: Item) =>
    ask(async (client) => {
      await client.unarchive(only(item))
      if (!item.read) await client.unread(only(item))
    })

  async function silence(list: MuteList, what: string, said: string): Promise<void> {
    const wanted: Mute = muteOf(list, what)
    if (await settle(mute.mute(wanted))) toast.done(said, () => void settle(mute.lift(list, what)))
  }

  async function lift(list: MuteList, what: string): Promise<void> {
    if (await settle(mute.lift(list, what)))
      toast.done(t('mute.lifted', { what }), () => void settle(mute.mute(muteOf(list, what))))
  }

  return { settle, read, opened, toggleRead, toggleArchived, remove, silence, lift }
}

export type Deeds = ReturnType<typeof useDeeds>
