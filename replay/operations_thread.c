/* Operations on one thread's own fields: see store.h. */
#include "replay/operations.h"

#include <string.h>

enum avj_status avj_thread_new(struct avj_store *store, const char *title, char out[AVJ_ID_TEXT],
                               struct avj_error *err)
{
    char id[AVJ_ID_TEXT], now[AVJ_TIME_TEXT];
    enum avj_status status = avj_new_id(store, id, err);
    if (status != AVJ_OK)
        return status;
    avj_now_text(store, now);
    struct avj_pack f = {0};
    avj_pack_map(&f, 6);
    avj_put_text(&f, "id", id);
    avj_put_text(&f, "title", title ? title : "New Chat");
    avj_put_text(&f, "createdAt", now);
    avj_put_text(&f, "updatedAt", now);
    avj_put_text(&f, "lastMessageAt", now);
    avj_put_bool(&f, "isPinned", false);
    struct avj_edits edits = {.count = 0};
    avj_edits_add(&edits, AVJ_CREATE, AVJ_THREAD, id, &f);
    status = avj_edits_append(store, &edits, err);
    avj_edits_release(&edits);
    avj_pack_release(&f);
    if (status == AVJ_OK && out)
        memcpy(out, id, sizeof(id));
    return status;
}

enum avj_status avj_thread_rename(struct avj_store *store, const char *thread, const char *title,
                                  struct avj_error *err)
{
    struct avj_subject subject;
    struct avj_pack pairs = {0};
    enum avj_status status = avj_subject_load(store, AVJ_THREAD, thread, &subject, err);
    if (status != AVJ_OK) {
        avj_subject_release(&subject);
        return status;
    }
    avj_put_text(&pairs, "title", title);
    return avj_subject_update(store, &subject, 1, &pairs, err);
}
