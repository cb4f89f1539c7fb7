/* eslint-disable */
/**
 * Generated from the Python files of this deployment; edits will be lost.
 *
 * `joelclaw dev` keeps this file current, `joelclaw codegen` renews it once.
 */

import { anyApi } from "convex/server";

export const api = anyApi;
export const internal = anyApi;
