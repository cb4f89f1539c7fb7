import { ArticleList } from "@/components/articles/ArticleList";
import { Page } from "@/components/frame/Page";
import { allArticles } from "@/lib/articles";

export default function Home() {
  return (
    <Page title="Articles" lead="About a small system that keeps its pages current; this site runs on it.">
      <ArticleList articles={allArticles()} />
    </Page>
  );
}
