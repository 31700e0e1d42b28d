// How the web app is built: two pages (the app, the API's), hashed files, nothing inline, so that the strict policy holds.
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const server = 'http://127.0.0.1:8888'

export default defineConfig({
  plugins: [vue()],
  define: {
    __VUE_OPTIONS_API__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __VUE_I18N_LEGACY_API__: false,
  },
  build: {
    // build.rs points this into cargo's own folder, so that two profiles never overwrite each other.
    outDir: process.env.BELLROPE_WEB_OUT ?? 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The API's page is Swagger UI, 1.7 MB before compression, and loaded by nobody else.
    chunkSizeWarningLimit: 1_800,
    rolldownOptions: { input: ['index.html', 'docs.html'] },
  },
  server: {
    proxy: { '/api': server, '/socket.io': { target: server, ws: true } },
  },
  test: { environment: 'happy-dom' },
})
