import { useMutation, useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../convex/_generated/api";
import type { Doc } from "../convex/_generated/dataModel";
import { ARTICLE } from "./article";
import { Time } from "./Time";
import { Writing } from "./Writing";

/** One article, with what people wrote in its margin. */
export function Comments({ name }: { name: string }) {
  const article = ARTICLE.slug;
  const comments = useQuery(api.comments.forArticle, { article });
  const counts = useQuery(api.comments.counts, { article });
  const [open, setOpen] = useState<string>(ARTICLE.paragraphs[0].id);

  return (
    <article>
      <h2>{ARTICLE.title}</h2>
      <p className="byline">
        {counts === undefined ? "\u00a0" : `${counts.comments} in the margin, ${counts.open} open`}
      </p>
      {ARTICLE.paragraphs.map(({ id, text }) => (
        <div className="paragraph" key={id} data-open={open === id}>
          <p>{text}</p>
          <div className="margin">
            {comments
              ?.filter((comment) => comment.anchor.paragraph === id)
              .map((comment) => <Comment key={comment._id} comment={comment} />)}
            {open === id ? (
              <Note name={name} paragraph={id} quote={text.slice(0, 80)} />
            ) : (
              <button className="quiet" type="button" onClick={() => setOpen(id)}>
                Write in the margin
              </button>
            )}
          </div>
        </div>
      ))}
    </article>
  );
}

function Comment({ comment }: { comment: Doc<"comments"> }) {
  return (
    <div className="comment" data-resolved={comment.resolved}>
      <p>{comment.body}</p>
      <footer>
        {comment.authorName} <Time at={comment._creationTime} />
      </footer>
    </div>
  );
}

function Note({ name, paragraph, quote }: { name: string; paragraph: string; quote: string }) {
  const add = useMutation(api.comments.add);
  return (
    <Writing
      label="What do you think?"
      button="Note"
      maxLength={4000}
      missing={name.trim() ? "" : "Say who you are first"}
      send={(body) => add({ article: ARTICLE.slug, anchor: { paragraph, quote }, body, name })}
    />
  );
}
