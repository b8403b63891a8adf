/* control.h - commands to a running server, over the Unix socket DIR/control.sock (mode 0600:
 * who may open it may do everything).
 *
 * Request: one line of JSON {"command": name, "args": {...}, "payload": bool}, LF; with payload,
 * pieces of "<decimal length> LF <bytes>", ended by "0 LF". Reply: for each row of a list a line {"row":
 * ...}, then one line {"status": exit status, "error": sentence, "reply": {...}}. No side keeps more than a
 * line. */
#pragma once
#include "command.h"
#include "rt/conn.h"

#define CONTROL_PATH "control.sock"
/* The same for every user of the machine (mode 0666, the kernel says who it is): commands marked `everyone`,
 * and of these only what is the user's own. The owner of the node and root may do all of them. */
#define CONTROL_PUBLIC_FOLDER "public"
#define CONTROL_PUBLIC_PATH "public/control.sock"
enum { CONTROL_PUBLIC_MAX = 100 }; /* connections of all users at the same time */

/* Serves one control connection; takes it over. SUSPENDS. */
void control_session(struct core *core, struct conn *c, bool everyone);
/* Makes the folder of the public socket. Warns when others cannot come to it. BLOCKS. */
MUST_CHECK int control_public_folder(void);

/* From the user's process, through the socket at `path`: asks for r->args, hands the rows to r->row() and
 * makes r->reply what the server replied. ERR_NOT_FOUND or ERR_REFUSED: no server runs there. *status is the
 * exit status. SUSPENDS. */
MUST_CHECK int control_call(const char *path, const struct command *cmd, struct request *r, int *status,
                            struct buf *error);
