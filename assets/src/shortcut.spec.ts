// Keys do something only where they are meant to.
import { expect, test, vi } from 'vitest'
import { createApp } from 'vue'
import { useShortcuts } from './shortcut'

function press(on: Element, key: string, more: KeyboardEventInit = {}): KeyboardEvent {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more })
  on.dispatchEvent(event)
  return event
}

test('in the page they act; in fields, beside the page and with a modifier they do not', () => {
  document.body.innerHTML = '<nav><a></a></nav><main><div id="app"></div><input /><a></a></main>'
  const act = vi.fn()
  const app = createApp({
    setup: () => {
      useShortcuts({ j: act })
      return () => null
    },
  })
  app.mount('#app')
  const one = (selector: string) => document.querySelector(selector)!

  expect(press(one('main a'), 'j').defaultPrevented).toBe(true)
  press(document.body, 'j')
  expect(act).toHaveBeenCalledTimes(2)

  expect(press(one('main a'), 'x').defaultPrevented).toBe(false)
  press(one('input'), 'j')
  press(one('nav a'), 'j')
  press(one('main a'), 'j', { ctrlKey: true })
  app.unmount()
  press(one('main a'), 'j')
  expect(act).toHaveBeenCalledTimes(2)
})
