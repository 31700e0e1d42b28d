// 网页应用的文字，简体中文。键与 en.ts 一致，由 i18n.spec.ts 检查。
import type { Words } from './en'

const zh: Words = {
  skip: '跳到正文',
  retry: '重试',
  cancel: '取消',
  close: '关闭',
  justNow: '刚刚',
  nav: { label: '页面', counter: '计数', session: '会话', account: '账号' },

  field: {
    username: '用户名',
    usernameHint: '2 到 64 个任意文字的字母或数字，也可用\u00a0.\u00a0_\u00a0-',
    password: '密码',
    passwordHint: '至少 8 个字符。',
    show: '显示输入内容',
    hide: '隐藏输入内容',
    empty: '请填写此项。',
    short: '太短了，至少要 8 个字符。',
  },

  login: {
    title: '登录',
    action: '登录',
    noAccount: '还没有账号？',
    register: '注册',
    lost: {
      token_missing: '请先登录。',
      token_invalid: '登录状态已失效，请重新登录。',
      token_expired: '登录已过期，请重新登录。',
      token_revoked: '这次登录已被结束，请重新登录。',
      elsewhere: '你已在另一个标签页退出登录。',
    },
  },

  register: {
    title: '注册',
    action: '创建账号',
    hasAccount: '已有账号？',
    closed: '本服务器未开放注册，请向管理员申请账号。',
    problem: { exists: '这个名字已被使用，请换一个。' },
  },

  setup: {
    title: '首位管理员',
    intro: '这台服务器还没有管理员。请为自己设置用户名和密码。',
    action: '创建管理员',
    missing: '此页需要完整的设置链接，也就是服务器启动时显示的那一条。请从那里重新打开。',
    toLogin: '前往登录',
    problem: {
      token_invalid: '这个设置链接已被使用，或者不是最新的一条。重启服务器可获得新链接。',
      token_expired: '这个设置链接已超过 30 分钟。重启服务器可获得新链接。',
      exists: '已经有管理员，或者这个名字已被使用。请尝试直接登录。',
    },
  },

  counter: {
    title: '计数',
    age: '你的年龄',
    add: '加一岁',
    changed: '{when}更新',
    never: '还没有变动过',
    refused: '没有计入。{why}',
    unknown: '无法确定是否已计入。{why}',
  },

  live: {
    connecting: '正在连接',
    live: '已连接',
    offline: '{time} 起已断开',
    refused: '连接被拒绝',
    lastInStep: '当前处于离线状态，以下是{when}的内容。',
  },

  heard: {
    title: '收到的消息',
    empty: '暂时没有内容。按“加一岁”，或给服务器发一条消息。',
    kind: { hello: '问候', age: '新年龄', text: '回复', online: '连接', offline: '连接' },
    online: '已连接',
    offline: '连接中断，正在重连',
    message: '发给服务器的消息',
    send: '发送',
    away: '恢复连接后才能发送。',
  },

  session: {
    title: '会话',
    intro: '你的账号在这些地方处于登录状态。如有不认识的，请结束它并修改密码。',
    current: '当前会话',
    created: '登录：{when}',
    used: '最近使用：{when}',
    expires: '到期：{date}',
    device: '{system} 上的 {browser}',
    unknown: '未知程序',
    end: '结束',
    endLabel: '结束会话：{device}',
    confirm: '要结束这个会话吗？',
    confirmText: '{device}，地址 {address}。使用者需要重新登录。',
    ended: '会话已结束。',
    notEnded: '会话没有结束。{why}',
    empty: '没有会话。重新登录后会在这里看到。',
    failed: '无法读取会话列表。{why}',
  },

  account: {
    title: '账号',
    failed: '无法读取账号信息。{why}',
    name: '用户名',
    id: '编号',
    role: '角色',
    roles: { member: '成员', admin: '管理员' },
    password: '修改密码',
    passwordNote: '修改后，你的其他会话都会结束。',
    current: '当前密码',
    new: '新密码',
    change: '修改密码',
    changed: '密码已修改，其他会话已结束。',
    language: '语言',
    theme: '外观',
    themes: { system: '跟随系统', light: '浅色', dark: '深色' },
    logout: '退出登录',
    notLoggedOut: '退出没有成功，你仍处于登录状态。{why}',
    api: 'API 文档',
    version: 'Bellrope {version}',
  },

  missing: {
    title: '页面不存在',
    text: '这个地址没有内容。',
    home: '返回首页',
  },

  problem: {
    soon: '稍后',
    malformed: '服务器无法理解这个请求。请刷新页面后重试。',
    token_missing: '请先登录。',
    token_invalid: '登录状态已失效，请重新登录。',
    token_expired: '登录已过期，请重新登录。',
    token_revoked: '这次登录已被结束，请重新登录。',
    login_failed: '用户名或密码不正确。',
    not_an_account: '此功能只适用于本服务器的账号，不适用于论坛成员。',
    origin_refused: '服务器不接受来自这个地址的请求。请使用服务器自己的地址打开。',
    registration_closed: '本服务器未开放注册，请向管理员申请账号。',
    not_found: '内容已不存在，请刷新页面。',
    exists: '已经存在。',
    too_large: '内容过长，请缩短后重试。',
    field_invalid: '填写的内容有误，请检查。',
    too_many: '尝试次数过多，请{when}再试。',
    busy: '服务器繁忙，请{when}再试。',
    stopping: '服务器正在重启，请{when}再试。',
    storage_failed: '服务器无法写入磁盘，请告知管理员。',
    unreachable: '服务器没有响应。请检查网络后重试。',
    unexpected: '服务器的回应无法识别，请稍后再试。',
    field: {
      username: '请使用 2 到 64 个任意文字的字母或数字，也可用\u00a0.\u00a0_\u00a0-',
      password: '长度须为 8 到 1024 字节，至少 8 个英文字符或 3 个汉字。',
      new: '长度须为 8 到 1024 字节，至少 8 个英文字符或 3 个汉字。',
      current: '当前密码不正确。',
    },
  },
}

export default zh
