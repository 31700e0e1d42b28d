// What the server says of itself before anybody signs in.
import { defineStore } from 'pinia'
import { ref } from 'vue'
import { getOpen, Problem } from '../api'
import type { Server } from '../types'

export const useServer = defineStore('server', () => {
  const about = ref<Server | null>(null)
  const failure = ref<Problem | null>(null)

  async function load(): Promise<void> {
    failure.value = null
    try {
      about.value = await getOpen<Server>('/server')
    } catch (problem) {
      if (problem instanceof Problem) failure.value = problem
    }
  }

  return { about, failure, load }
})
