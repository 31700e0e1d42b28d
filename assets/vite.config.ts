// How the web app is built: two pages (the app; with `--mode docs` the API's), hashed files, nothing inline, so that the
// strict policy holds. Each page is a build of its own: what both had in common would be one more file to fetch for each.
// With `--mode bell` or `--mode client` the scripts for other people's pages: one file each that needs no other.
import vue from '@vitejs/plugin-vue'
import type { UserConfig } from 'vite'
import { defineConfig } from 'vitest/config'

const server = 'http://127.0.0.1:8888'
// build.rs points this into cargo's own folder, so that two profiles never overwrite each other.
const outDir = process.env.BELLROPE_WEB_OUT ?? 'dist'

const script = (name: string): UserConfig => ({
  publicDir: false,
  build: {
    outDir,
    emptyOutDir: false,
    // Forums have visitors with browsers of years ago; what these lack beyond syntax, the code looks for.
    target: ['chrome100', 'firefox115', 'safari16.4'],
    modulePreload: false,
    rolldownOptions: {
      input: { [name]: `src/${name}/index.ts` },
      preserveEntrySignatures: 'strict',
      output: { entryFileNames: '[name].js' },
    },
  },
})

export default defineConfig(({ mode }) =>
  mode === 'bell' || mode === 'client'
    ? script(mode)
    : {
        plugins: [vue()],
        define: {
          __VUE_OPTIONS_API__: false,
          __VUE_I18N_FULL_INSTALL__: false,
          __VUE_I18N_LEGACY_API__: false,
        },
        publicDir: mode === 'docs' ? false : undefined,
        build: {
          outDir,
          emptyOutDir: mode !== 'docs',
          assetsInlineLimit: 0,
          // All of the app's is 5 KB compressed, and one request.
          cssCodeSplit: false,
          modulePreload: { polyfill: false },
          // The API's page is Swagger UI, 1.7 MB before compression, and loaded by nobody else.
          chunkSizeWarningLimit: 1_800,
          rolldownOptions: { input: mode === 'docs' ? 'docs.html' : 'index.html' },
        },
        server: {
          proxy: { '/api': server, '/socket.io': { target: server, ws: true } },
        },
        test: { environment: 'happy-dom' },
      },
)
