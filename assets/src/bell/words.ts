// What the bell says, in both languages. A kind is the forum's own word and is shown as it is.
import type { Actor } from '../client'

const en = {
  title: 'Notifications',
  bell: (unseen: string) => (unseen ? `Notifications, ${unseen} new` : 'Notifications'),
  close: 'Close',
  back: 'Back',
  retry: 'Try again',
  undo: 'Undo',
  justNow: 'just now',
  unread: 'Unread: ',
  markAll: 'Mark all read',
  more: 'Show older',
  loading: 'Loading…',
  empty: 'Nothing here yet. When somebody answers you, you will hear the bell.',
  failed: (why: string) => `Your notifications could not be loaded. ${why}`,
  offline: (when: string | null) =>
    when ? `Offline. This was last in step ${when}.` : 'Offline. Trying to connect.',

  and: (first: string, second: string) => `${first} and ${second}`,
  others: (first: string, n: number) => `${first} and ${n} ${n === 1 ? 'other' : 'others'}`,
  times: (n: number) => `${n} times`,

  menu: (title: string) => `Actions for: ${title}`,
  markRead: 'Mark read',
  markUnread: 'Mark unread',
  archive: 'Archive',
  archiveThis: (title: string) => `Archive: ${title}`,
  muteKind: (kind: string) => `Mute all “${kind}”`,
  muteGroup: 'Mute this group',
  muteActor: (name: string) => `Mute ${name}`,

  archived: 'Archived.',
  mutedKind: (kind: string) => `Nothing of the kind “${kind}” will come any more.`,
  mutedGroup: 'Nothing more of this group will come.',
  mutedActor: (name: string) => `Nothing from ${name} will come any more.`,
  refused: (why: string) => `Taken back: the server did not do it. ${why}`,

  mutes: 'Muted',
  mutesEmpty:
    'Nothing is muted. In the menu of a notification you can mute its kind, its group or who caused it.',
  mutesFailed: (why: string) => `What you muted could not be loaded. ${why}`,
  mutesOf: { kinds: 'Kinds', groups: 'Groups', actors: 'People' },
  lift: 'Unmute',
  liftThis: (word: string) => `Unmute ${word}`,

  toasts: 'New notifications',
  missed: (n: number) =>
    n === 1 ? '1 new notification while you were away.' : `${n} new notifications while you were away.`,
  desktop: 'Notify me on the desktop too',
  desktopDenied: 'Your browser does not allow it. You can change that in its settings for this page.',

  problem: {
    unreachable: 'The server does not answer. Check your connection.',
    busy: 'The server is busy. Wait a moment.',
    stopping: 'The server is restarting. Wait a moment.',
    too_many: 'That was too often. Wait a moment.',
    token_expired: 'You have been on this page too long. Reload it.',
    token_revoked: 'You are no longer logged in. Reload the page.',
    token_invalid: 'You are no longer logged in. Reload the page.',
    storage_failed: 'The server could not keep it. Tell its administrator.',
    not_found: 'It is no longer there.',
    field_invalid: 'The server does not take it. There may be too many already.',
    unexpected: 'The server gave an answer that cannot be read. Try again later.',
  } as Record<string, string>,
}

export type Words = typeof en

/** Chinese stands apart from Latin letters and digits, and from nothing else. */
const apart = (name: string) => name.replace(/^(?=[!-~])/, ' ').replace(/([!-~])$/, '$1 ')

const zh: Words = {
  title: '通知',
  bell: (unseen) => (unseen ? `通知，${unseen} 条新消息` : '通知'),
  close: '关闭',
  back: '返回',
  retry: '重试',
  undo: '撤销',
  justNow: '刚刚',
  unread: '未读：',
  markAll: '全部标为已读',
  more: '显示更早的通知',
  loading: '正在加载…',
  empty: '暂时没有通知。有人回复你时，这里会响铃。',
  failed: (why) => `无法读取通知。${why}`,
  offline: (when) => (when ? `已离线，以下是${when}的内容。` : '已离线，正在尝试连接。'),

  and: (first, second) => `${apart(first).trimStart()}和${apart(second).trimEnd()}`,
  others: (first, n) => `${apart(first).trimStart()}和其他 ${n} 人`,
  times: (n) => `共 ${n} 次`,

  menu: (title) => `操作：${title}`,
  markRead: '标为已读',
  markUnread: '标为未读',
  archive: '归档',
  archiveThis: (title) => `归档：${title}`,
  muteKind: (kind) => `屏蔽所有“${kind}”`,
  muteGroup: '屏蔽这一组',
  muteActor: (name) => `屏蔽${apart(name).trimEnd()}`,

  archived: '已归档。',
  mutedKind: (kind) => `不再接收“${kind}”类型的通知。`,
  mutedGroup: '不再接收这一组的通知。',
  mutedActor: (name) => `不再接收${apart(name)}的通知。`,
  refused: (why) => `已恢复原样，操作没有成功。${why}`,

  mutes: '已屏蔽',
  mutesEmpty: '没有屏蔽任何内容。在每条通知的菜单里，可以屏蔽它的类型、分组或相关成员。',
  mutesFailed: (why) => `无法读取屏蔽列表。${why}`,
  mutesOf: { kinds: '类型', groups: '分组', actors: '成员' },
  lift: '取消屏蔽',
  liftThis: (word) => `取消屏蔽${apart(word).trimEnd()}`,

  toasts: '新通知',
  missed: (n) => `离线期间有 ${n} 条新通知。`,
  desktop: '同时显示桌面通知',
  desktopDenied: '浏览器不允许桌面通知，可在浏览器的网站设置中更改。',

  problem: {
    unreachable: '服务器没有响应，请检查网络。',
    busy: '服务器繁忙，请稍候。',
    stopping: '服务器正在重启，请稍候。',
    too_many: '操作过于频繁，请稍候。',
    token_expired: '页面停留过久，请刷新。',
    token_revoked: '你已退出登录，请刷新页面。',
    token_invalid: '你已退出登录，请刷新页面。',
    storage_failed: '服务器无法保存，请告知管理员。',
    not_found: '内容已不存在。',
    field_invalid: '服务器没有接受，可能数量已达上限。',
    unexpected: '服务器的回应无法识别，请稍后再试。',
  },
}

export type Language = 'en' | 'zh-CN'
export const words: Record<Language, Words> = { en, 'zh-CN': zh }

/** The first wish that we speak. */
export function language(wishes: readonly (string | null | undefined)[]): Language {
  for (const wish of wishes) {
    if (/^zh\b/i.test(wish ?? '')) return 'zh-CN'
    if (/^en\b/i.test(wish ?? '')) return 'en'
  }
  return 'en'
}

/** Who did it, where several did: "Ann and 3 others". Null where the title says it all. */
export function who(
  say: Words,
  { count, actors }: { count: number; actors: readonly Actor[] },
): string | null {
  if (count < 2) return null
  const [first, second] = actors.map(nameOf)
  if (first === undefined) return say.times(count)
  return count === 2 && second !== undefined ? say.and(first, second) : say.others(first, count - 1)
}

export const nameOf = (actor: Actor) => actor.name || actor.id

export function why(say: Words, problem: unknown): string {
  const { code } = problem as { code?: string }
  return say.problem[code ?? ''] ?? say.problem.unexpected ?? ''
}

/** A number that fits a badge. */
export const short = (n: number) => (n > 99 ? '99+' : n > 0 ? String(n) : '')
