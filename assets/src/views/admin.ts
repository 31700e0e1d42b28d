// The administrators' pages, in one piece likewise; members never load them.
export { default as KeyView } from './KeyView.vue'
export { default as PublishView } from './PublishView.vue'
export { default as StatisticsView } from './StatisticsView.vue'
export { default as UserView } from './UserView.vue'
