// Starts the web app.
import { createPinia } from 'pinia'
import { createApp } from 'vue'
import App from './App.vue'
import './base.css'
import { i18n } from './i18n'
import { router } from './router'
import { usePreference } from './stores/preference'

const app = createApp(App).use(createPinia()).use(i18n)
// Before the router: the first view already speaks the right language.
usePreference()
app.use(router).mount('#app')
