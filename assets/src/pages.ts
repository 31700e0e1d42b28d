// The pages the navigation leads to, by their routes' names.
import { Activity, Hash, KeyRound, Megaphone, MonitorSmartphone, UserRound, UsersRound } from '@lucide/vue'

export const memberPages = [
  { name: 'counter', icon: Hash },
  { name: 'session', icon: MonitorSmartphone },
  { name: 'account', icon: UserRound },
]
export const adminPages = [
  { name: 'statistics', icon: Activity },
  { name: 'user', icon: UsersRound },
  { name: 'key', icon: KeyRound },
  { name: 'publish', icon: Megaphone },
]
