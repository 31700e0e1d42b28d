// Every address of the app, and who may see it.
import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import { useAccount } from './stores/account'
import { useServer } from './stores/server'
// In the page's own script: whoever is not signed in waits for no second one.
import LoginView from './views/LoginView.vue'
import MissingView from './views/MissingView.vue'
import RegisterView from './views/RegisterView.vue'
import SetupView from './views/SetupView.vue'

declare module 'vue-router' {
  interface RouteMeta {
    /** `member`: signed in; `guest`: signed out; `anyone`: both, without the navigation. */
    for: 'member' | 'guest' | 'anyone'
  }
}

const members = () => import('./views/member')
const admins = () => import('./views/admin')

const routes: RouteRecordRaw[] = [
  { path: '/', redirect: { name: 'inbox' } },
  {
    path: '/inbox',
    name: 'inbox',
    component: async () => (await members()).InboxView,
    meta: { for: 'member' },
  },
  {
    path: '/inbox/mutes',
    name: 'mute',
    component: async () => (await members()).MuteView,
    meta: { for: 'member' },
  },
  {
    path: '/counter',
    name: 'counter',
    component: async () => (await members()).CounterView,
    meta: { for: 'member' },
  },
  {
    path: '/sessions',
    name: 'session',
    component: async () => (await members()).SessionView,
    meta: { for: 'member' },
  },
  {
    path: '/account',
    name: 'account',
    component: async () => (await members()).AccountView,
    meta: { for: 'member' },
  },
  {
    path: '/keys',
    name: 'key',
    component: async () => (await admins()).KeyView,
    meta: { for: 'member' },
  },
  {
    path: '/publish',
    name: 'publish',
    component: async () => (await admins()).PublishView,
    meta: { for: 'member' },
  },
  {
    path: '/live',
    name: 'statistics',
    component: async () => (await admins()).StatisticsView,
    meta: { for: 'member' },
  },
  {
    path: '/members',
    name: 'user',
    component: async () => (await admins()).UserView,
    meta: { for: 'member' },
  },
  { path: '/login', name: 'login', component: LoginView, meta: { for: 'guest' } },
  {
    path: '/register',
    name: 'register',
    component: RegisterView,
    meta: { for: 'guest' },
  },
  {
    path: '/setup',
    name: 'setup',
    component: SetupView,
    meta: { for: 'anyone' },
  },
  {
    path: '/:rest(.*)*',
    name: 'missing',
    component: MissingView,
    meta: { for: 'anyone' },
  },
]

export const router = createRouter({
  history: createWebHistory(),
  routes,
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})

router.beforeEach((to) => {
  const account = useAccount()
  if (to.meta.for === 'member' && account.token === null)
    return { name: 'login', query: backQuery(to.fullPath) }
  if (to.meta.for === 'guest' && account.token !== null) return { name: 'inbox' }
  return true
})

// After an upgrade the pieces this tab knows are gone from the server; the page itself names the new ones. A server that
// does not answer at all would only swap this page for the browser's own error.
router.onError(async (_error, to) => {
  const server = useServer()
  await server.load()
  if (!server.failure) location.assign(to.fullPath)
})

/** The start page is where a login leads anyway, so its address stays short. */
export function backQuery(path: string): { back?: string } {
  return path === '/inbox' ? {} : { back: path }
}
