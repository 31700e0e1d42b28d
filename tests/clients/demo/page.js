// What the demo's browser code does, with the libraries it did it with: Vue 2, Vuex, axios 0.19, socket.io-client 2.
/* global Vue, Vuex, VueRouter, axios, io, SETTINGS */

// Where HTTP goes: nowhere in particular when the page's own server hands /api on, else straight to the other origin.
axios.defaults.baseURL = SETTINGS.api
axios.defaults.withCredentials = true

// Sent whether or not there is a token: then it reads `Bearer null`.
axios.interceptors.request.use((request) => {
  request.headers.common['Authorization'] = `Bearer ${localStorage.getItem('token')}`
  return request
})

// The status is always 200; what happened is in `code`. The pages get the envelope, or nothing after a 401.
axios.interceptors.response.use(({ data }) => {
  if (data.code !== 401) return data
  alert('请登录在进行操作！')
  localStorage.removeItem('token')
  router.push('/')
})

const store = new Vuex.Store({
  state: { socket: null, message: '' },
  mutations: {
    // Also after a login: the socket of before then stays open beside the new one, as it did in the demo.
    connect(state) {
      state.socket = io(SETTINGS.socket, {
        transports: ['websocket'],
        query: { token: `Bearer ${localStorage.getItem('token')}` },
      })
      state.socket.on('message', (message) => (state.message = message))
    },
  },
})

const Login = {
  template: `
    <form @submit.prevent="login">
      <input v-model="username" name="username">
      <input v-model="password" name="password" type="password">
      <button>登录</button>
    </form>`,
  data: () => ({ username: '', password: '' }),
  methods: {
    async login() {
      const answer = await axios.post('/api/login', { username: this.username, password: this.password })
      if (answer.code === 200) {
        localStorage.setItem('token', answer.data)
        this.$store.commit('connect')
      }
      alert(answer.message)
    },
  },
}

const About = {
  template: '<button @click="add">ADD AGE</button>',
  methods: {
    async add() {
      const answer = await axios.get('/api/insert')
      if (answer !== undefined) alert(answer.message)
    },
  },
}

const router = new VueRouter({
  routes: [
    { path: '/', component: Login },
    { path: '/about', component: About },
  ],
})

new Vue({
  el: '#page',
  router,
  store,
  created() {
    this.$store.commit('connect')
  },
  template: `
    <div>
      <p id="message">{{ $store.state.message }}</p>
      <router-link to="/about">about</router-link>
      <router-view></router-view>
    </div>`,
})
