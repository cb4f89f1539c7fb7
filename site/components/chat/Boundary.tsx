"use client";

import { Component, type ReactNode } from "react";
import { Problem } from "@/components/frame/Problem";

interface Props {
  /** Another one is another try. */
  of: string;
  children: ReactNode;
}

/**
 * What a room shows when it cannot be shown: most often because whoever looks was put out of it a moment ago, which
 * the history hears before the list of rooms is drawn anew.
 */
export class Boundary extends Component<Props, { failed: unknown; of: string }> {
  override state = { failed: undefined, of: this.props.of };

  static getDerivedStateFromError(failed: unknown) {
    return { failed };
  }

  static getDerivedStateFromProps({ of }: Props, state: { of: string }) {
    return of === state.of ? null : { of, failed: undefined };
  }

  override render() {
    const { failed } = this.state;
    if (failed === undefined) return this.props.children;
    if (isRefusal(failed)) return <NoMember />;
    return <Problem error={failed} again={() => this.setState({ failed: undefined })} />;
  }
}

/** A refusal reads like a function that does not exist. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.message.includes("Could not find public function");
}

export function NoMember() {
  return <p>You do not belong to this room, or not any more. Whoever opened it can invite you.</p>;
}
