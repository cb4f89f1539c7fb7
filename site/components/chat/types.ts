import type { FunctionReturnType } from "convex/server";
import type { api } from "@/convex/_generated/api";

export type RoomSeen = FunctionReturnType<typeof api.chat.rooms>[number];
export type Said = FunctionReturnType<typeof api.chat.history>["page"][number];
export type Attachment = Said["attachments"][number];
export type Person = Said["author"];
