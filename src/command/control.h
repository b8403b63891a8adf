/* control.h - commands to a running server, over the Unix socket DIR/control.sock (mode 0600:
 * who may open it may do everything).
 *
 * Request: one line of JSON {"command": name, "args": {...}, "payload": bool}, LF; with payload,
 * pieces of "<decimal length> LF <bytes>", ended by "0 LF". Reply: one line
 * {"status": exit status, "error": sentence, "reply": {...}}. */
#pragma once
#include "command.h"
#include "rt/conn.h"

#define CONTROL_PATH "control.sock"

/* Serves one control connection; takes it over. SUSPENDS. */
void control_session(struct core *core, struct conn *c);

/* From the user's process. ERR_NOT_FOUND or ERR_REFUSED: no server runs there.
 * *status is the exit status; the reply is a new reference. SUSPENDS. */
MUST_CHECK int control_call(const struct command *cmd, json_t *args, struct payload *payload, int *status,
                            json_t **reply, struct buf *error);
