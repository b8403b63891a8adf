/* port_files.h - files of import and export, when the command runs in a server that may touch none but its
 * own: it asks the user's process for each step. */
#pragma once
#include "command.h"
#include "port/files.h"

struct port_asked {
    struct port_files f;
    struct request *r;
};
/* Files that are asked for by r->ask. */
void port_asked_begin(struct port_asked *x, struct request *r);
/* In the user's process: does what is asked, below `root` and nowhere else. SUSPENDS. */
json_t *port_files_answer(const char *root, json_t *question);
