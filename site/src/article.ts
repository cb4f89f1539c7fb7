/** The article that one can write in the margin of. */
export const ARTICLE = {
  slug: "what-a-page-knows",
  title: "What a page knows",
  paragraphs: [
    {
      id: "asked",
      text: "Most pages know what was true when you asked. They show it with great confidence, and grow wrong quietly, until somebody presses reload.",
    },
    {
      id: "told",
      text: "This one is told. It says once which questions it has, and whoever answers them remembers that it is still standing there. When an answer changes, the page hears of it, and of nothing else.",
    },
    {
      id: "time",
      text: "Even the passing of time is such a change. The list of calls beside this text empties itself when a heartbeat is missed; nobody writes anything, and no clock ticks in your browser.",
    },
  ],
} as const;
