// The words of the web app, in English. zh-CN.ts has the same keys; i18n.spec.ts sees to it.

const en = {
  skip: 'Skip to content',
  retry: 'Try again',
  cancel: 'Cancel',
  close: 'Close',
  notices: 'Notices',
  notice: 'Notice',
  justNow: 'just now',
  nav: { label: 'Pages', counter: 'Counter', session: 'Sessions', account: 'Account' },

  field: {
    username: 'User name',
    usernameHint: '2 to 64 letters or digits of any script, or\u00a0.\u00a0_\u00a0-',
    password: 'Password',
    passwordHint: 'At least 8 characters.',
    show: 'Show what is typed',
    hide: 'Hide what is typed',
    empty: 'Please fill this in.',
    short: 'Too short: at least 8 characters.',
  },

  login: {
    title: 'Log in',
    action: 'Log in',
    noAccount: 'No account yet?',
    register: 'Register',
    lost: {
      token_missing: 'Please log in first.',
      token_invalid: 'Your session is no longer valid. Please log in again.',
      token_expired: 'Your session has expired. Please log in again.',
      token_revoked: 'Your session was ended. Please log in again.',
      elsewhere: 'You have been logged out in this browser.',
    },
  },

  register: {
    title: 'Register',
    action: 'Create account',
    hasAccount: 'Already have an account?',
    closed: 'This server does not take registrations. Ask its administrator for an account.',
    problem: { exists: 'This name is taken. Please choose another.' },
  },

  setup: {
    title: 'First administrator',
    intro: 'This server has no administrator yet. Choose a name and a password for yourself.',
    action: 'Create administrator',
    missing:
      'This page needs the whole setup link, as the server printed it when it started. Open it again from there.',
    toLogin: 'Go to login',
    problem: {
      token_invalid:
        'This setup link has been used, or it is not the newest one. Restart the server to get a new one.',
      token_expired: 'This setup link is older than 30 minutes. Restart the server to get a new one.',
      exists: 'There is an administrator already, or this name is taken. Try to log in instead.',
    },
  },

  counter: {
    title: 'Counter',
    age: 'Your age',
    add: 'ADD AGE',
    changed: 'Changed {when}',
    never: 'Not changed yet',
    refused: 'Not counted. {why}',
    unknown: 'It is not certain that this was counted. {why}',
  },

  live: {
    connecting: 'Connecting',
    live: 'Live',
    offline: 'Offline since {time}',
    refused: 'Connection refused',
    lastInStep: 'You are offline. What you see was last in step {when}.',
  },

  heard: {
    title: 'What the bell heard',
    empty: 'Nothing yet. Press ADD AGE, or send the server a message.',
    kind: { hello: 'Greeting', age: 'New age', text: 'Answer', online: 'Connection', offline: 'Connection' },
    online: 'Connected',
    offline: 'Connection lost; trying to reconnect',
    message: 'Message to the server',
    send: 'Send',
    away: 'You can send again once connected.',
  },

  session: {
    title: 'Sessions',
    intro: 'Where your account is logged in. End what you do not recognise, and change your password.',
    current: 'This session',
    created: 'Logged in {when}',
    used: 'Last used {when}',
    expires: 'Ends {date}',
    device: '{browser} on {system}',
    unknown: 'Unknown program',
    end: 'End',
    endLabel: 'End session: {device}',
    confirm: 'End this session?',
    confirmText: '{device}, address {address}. Whoever uses it will have to log in again.',
    ended: 'Session ended.',
    notEnded: 'The session was not ended. {why}',
    empty: 'No sessions. Log in again to see this one.',
    failed: 'Your sessions could not be read. {why}',
  },

  account: {
    title: 'Account',
    failed: 'Your account could not be read. {why}',
    name: 'Name',
    id: 'Id',
    role: 'Role',
    roles: { member: 'Member', admin: 'Administrator' },
    password: 'Change password',
    passwordNote: 'Your other sessions will be ended.',
    current: 'Current password',
    new: 'New password',
    change: 'Change password',
    changed: 'Password changed. Your other sessions were ended.',
    language: 'Language',
    theme: 'Appearance',
    themes: { system: 'System', light: 'Light', dark: 'Dark' },
    logout: 'Log out',
    notLoggedOut: 'You are still logged in. {why}',
    api: 'API documentation',
    version: 'Bellrope {version}',
  },

  missing: {
    title: 'Page not found',
    text: 'There is nothing at this address.',
    home: 'Back to the start',
  },

  problem: {
    soon: 'in a moment',
    malformed: 'The server did not understand this request. Reload the page and try again.',
    token_missing: 'Please log in first.',
    token_invalid: 'Your session is no longer valid. Please log in again.',
    token_expired: 'Your session has expired. Please log in again.',
    token_revoked: 'Your session was ended. Please log in again.',
    login_failed: 'The name or the password is wrong.',
    not_an_account: 'This works only for accounts of this server, not for members of a forum.',
    origin_refused: 'The server does not accept requests from this address. Open it under its own address.',
    registration_closed: 'This server does not take registrations. Ask its administrator for an account.',
    not_found: 'This no longer exists. Reload the page.',
    exists: 'This exists already.',
    too_large: 'This is too long. Please shorten it.',
    field_invalid: 'Something here is not valid. Please check what you typed.',
    too_many: 'Too many attempts. Please try again {when}.',
    too_slow: 'The request took too long to arrive. Check your connection and try again.',
    busy: 'The server is busy. Please try again {when}.',
    stopping: 'The server is restarting. Please try again {when}.',
    storage_failed: 'The server could not write to its disk. Please tell its administrator.',
    unreachable: 'The server does not answer. Check your connection and try again.',
    unexpected: 'The server gave an answer that cannot be read. Please try again later.',
    field: {
      username: 'Use 2 to 64 letters or digits of any script, or\u00a0.\u00a0_\u00a0-',
      password: 'Use 8 to 1,024 bytes: 8 Latin characters or 3 Chinese ones are the least.',
      new: 'Use 8 to 1,024 bytes: 8 Latin characters or 3 Chinese ones are the least.',
      current: 'This is not your current password.',
    },
  },
}

export default en
export type Words = typeof en
