/* cmd_rescue.c - images of the index. */
#include "cmd.h"
#include "store/rescue.h"

int run_images(struct request *r)
{
    struct images_report rep;
    int e = images_write(r->core->store, IMAGES_OF_ALL, false, &rep);
    if (e) return e;
    reply_int(r->reply, "objects", (int64_t)rep.objects);
    reply_int(r->reply, "written", (int64_t)rep.written);
    reply_int(r->reply, "bodies", (int64_t)rep.bodies);
    reply_int(r->reply, "bytes", (int64_t)rep.bytes);
    reply_int(r->reply, "failed", (int64_t)rep.failed);
    return rep.failed ? NO : 0;
}

void print_images(json_t *args, json_t *reply, struct buf *out) { print_numbers(args, reply, out); }
