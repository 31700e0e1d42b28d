// The members' pages come in one piece: going from one to another must not need a network that may be gone by then.
export { default as AccountView } from './AccountView.vue'
export { default as CounterView } from './CounterView.vue'
export { default as InboxView } from './InboxView.vue'
export { default as MuteView } from './MuteView.vue'
export { default as SessionView } from './SessionView.vue'
