// The pictures: the mark (the same shapes as the web app's BellMark), and a line drawing for each thing to press.

const space = 'http://www.w3.org/2000/svg'

function shape(name: string, attributes: Record<string, string>, ...children: Element[]): SVGElement {
  const element = document.createElementNS(space, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  element.append(...children)
  return element
}

export function mark(): SVGElement {
  const path = (d: string) => shape('path', { d })
  const rope = { fill: 'none', stroke: 'currentColor', 'stroke-width': '1.2', 'stroke-linecap': 'round' }
  return shape(
    'svg',
    { viewBox: '0 0 16 16', fill: 'currentColor', 'aria-hidden': 'true', class: 'mark' },
    shape('path', { d: 'M.7.8Q8 5 15.3.8', ...rope }),
    shape(
      'g',
      {},
      shape('circle', { cx: '8', cy: '4', r: '1.3' }),
      path(
        'M8 4.3c-2.5 0-3.8 1.6-3.9 3.8-.1 2.4-.7 3.4-1.8 4.4h11.4c-1.1-1-1.7-2-1.8-4.4-.1-2.2-1.4-3.8-3.9-3.8Z',
      ),
      path('M6.2 13.7a1.8 1.8 0 0 0 3.6 0Z'),
    ),
  )
}

const lines = {
  close: 'M6 6l12 12M18 6L6 18',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  back: 'M15 5l-7 7 7 7',
  mute: 'M4 4l16 16M9.5 4.9A6 6 0 0 1 18 10v3.5M6.3 8.3A6 6 0 0 0 6 10v4l-2 3h13M10 20.5h4',
  archive: 'M4 4.5h16v4H4zM5.5 8.5v11h13v-11M10 12.5h4',
  read: 'M4 12.5l5 5L20 6.5',
}

export function icon(name: keyof typeof lines): SVGElement {
  return shape(
    'svg',
    {
      viewBox: '0 0 24 24',
      fill: 'none',
      stroke: 'currentColor',
      'stroke-width': name === 'more' ? '3.2' : '1.7',
      'stroke-linecap': 'round',
      'stroke-linejoin': 'round',
      'aria-hidden': 'true',
      class: 'icon',
    },
    shape('path', { d: lines[name] }),
  )
}
