/* Operations on projects: see store.h. */
#include "replay/operations.h"

#include <string.h>

static enum avj_status needs_a_name(struct avj_error *err)
{
    return avj_fail(err, AVJ_EINVAL, "a project needs a name");
}

/* Packs the fields that the edit names, in pairs; how many they are. */
static size_t pack_edit(const struct avj_project_edit *edit, struct avj_pack *pairs)
{
    const struct {
        const char *name, *text;
    } texts[] = {
        {"name", edit->name}, {"description", edit->description}, {"prompt", edit->prompt}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (!texts[i].text)
            continue;
        avj_put_text(pairs, texts[i].name, *texts[i].text ? texts[i].text : NULL);
        count++;
    }
    if (edit->colored) {
        avj_pack_cstr(pairs, "colorIndex");
        avj_pack_int(pairs, edit->color);
        count++;
    }
    return count;
}

enum avj_status avj_project_new(struct avj_store *store, const struct avj_project_edit *edit,
                                char out[AVJ_ID_TEXT], struct avj_error *err)
{
    char id[AVJ_ID_TEXT], now[AVJ_TIME_TEXT];
    if (!edit->name || !*edit->name)
        return needs_a_name(err);
    enum avj_status status = avj_new_id(store, id, err);
    if (status != AVJ_OK)
        return status;
    struct avj_pack pairs = {0}, f = {0};
    size_t count = pack_edit(edit, &pairs);
    avj_now_text(store, now);
    avj_pack_map(&f, count + 3);
    avj_put_text(&f, "id", id);
    avj_pack_raw(&f, pairs.data, pairs.len);
    avj_put_text(&f, "createdAt", now);
    avj_put_text(&f, "updatedAt", now);
    f.failed |= pairs.failed;
    avj_pack_release(&pairs);
    struct avj_edits edits = {.count = 0};
    avj_edits_add(&edits, AVJ_CREATE, AVJ_PROJECT, id, &f);
    status = avj_edits_append(store, &edits, err);
    avj_edits_release(&edits);
    avj_pack_release(&f);
    if (status == AVJ_OK && out)
        memcpy(out, id, sizeof(id));
    return status;
}

enum avj_status avj_project_edit(struct avj_store *store, const char *project,
                                 const struct avj_project_edit *edit, struct avj_error *err)
{
    struct avj_subject subject;
    struct avj_pack pairs = {0};
    if (edit->name && !*edit->name)
        return needs_a_name(err);
    enum avj_status status = avj_subject_load(store, AVJ_PROJECT, project, &subject, err);
    if (status != AVJ_OK) {
        avj_subject_release(&subject);
        return status;
    }
    size_t count = pack_edit(edit, &pairs);
    return avj_subject_update(store, &subject, count, &pairs, err);
}

/* ---- deleting ---- */

struct leaving {
    struct avj_store *store;
    const char *project, *heir;
    struct avj_edits *edits; /* updates of the threads, or: */
    struct avj_pack *ids;    /* of the threads, each with its NUL */
    bool failed;
};

static void move_thread(struct leaving *l, const struct avj_subject *thread)
{
    char now[AVJ_TIME_TEXT];
    struct avj_pack f = {0};
    avj_subject_touch(l->store, thread, now);
    avj_pack_map(&f, 2);
    avj_put_text(&f, "projectId", l->heir);
    avj_put_text(&f, "updatedAt", now);
    avj_edits_add(l->edits, AVJ_UPDATE, AVJ_THREAD, thread->doc.id, &f);
    avj_pack_release(&f);
}

static bool take_thread(void *arg, const struct avj_doc *doc)
{
    struct leaving *l = arg;
    struct avj_subject thread = {.doc = *doc};
    struct avj_value project;
    if (avj_tree_parse(doc->fields.data, doc->fields.len, &thread.tree) != AVJ_OK) {
        l->failed = true;
        return false;
    }
    thread.fields = avj_tree_root(thread.tree);
    if (avj_value_get(thread.fields, "projectId", &project) &&
        avj_value_text_is(project, l->project)) {
        if (l->edits)
            move_thread(l, &thread);
        else
            avj_pack_raw(l->ids, doc->id, strlen(doc->id) + 1);
    }
    avj_subject_release(&thread);
    return true;
}

static enum avj_status gather(struct leaving *l, struct avj_error *err)
{
    enum avj_status status = avj_store_walk(l->store, AVJ_THREAD, take_thread, l, err);
    if (status == AVJ_OK && l->failed)
        status = avj_fail(err, AVJ_ENOMEM, "project: out of memory");
    return status;
}

static enum avj_status check_project(struct avj_store *store, const char *project,
                                     struct avj_error *err)
{
    struct avj_subject subject;
    enum avj_status status = avj_subject_load(store, AVJ_PROJECT, project, &subject, err);
    avj_subject_release(&subject);
    return status;
}

static enum avj_status gather_moves(struct avj_store *store, const char *project, const char *heir,
                                    struct avj_edits *edits, struct avj_error *err)
{
    struct leaving l = {.store = store, .project = project, .heir = heir, .edits = edits};
    if (heir && strcmp(heir, project) == 0)
        return avj_fail(err, AVJ_EINVAL, "the threads of a project that goes can not stay in it");
    enum avj_status status = heir ? check_project(store, heir, err) : AVJ_OK;
    return status == AVJ_OK ? gather(&l, err) : status;
}

static enum avj_status gather_deletes(struct avj_store *store, const char *project,
                                      struct avj_edits *edits, struct avj_error *err)
{
    struct avj_pack ids = {0};
    struct leaving l = {.store = store, .project = project, .ids = &ids};
    enum avj_status status = gather(&l, err);
    if (status == AVJ_OK)
        status = avj_edits_delete_threads(store, &ids, edits, err);
    avj_pack_release(&ids);
    return status;
}

static enum avj_status delete_project(struct avj_store *store, const char *project,
                                      const char *heir, bool with_threads, struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    for (int try = 0; try < AVJ_OPERATION_TRIES; try++) {
        struct avj_edits edits = {.count = 0};
        status = check_project(store, project, err);
        if (status == AVJ_OK)
            status = with_threads ? gather_deletes(store, project, &edits, err)
                                  : gather_moves(store, project, heir, &edits, err);
        bool gathered = status == AVJ_OK;
        avj_edits_add(&edits, AVJ_DELETE, AVJ_PROJECT, project, NULL);
        if (gathered)
            status = avj_edits_append(store, &edits, err);
        avj_edits_release(&edits);
        if (!gathered || status != AVJ_ENOTFOUND)
            break;
    }
    return status;
}

enum avj_status avj_project_delete(struct avj_store *store, const char *project, const char *heir,
                                   struct avj_error *err)
{
    return delete_project(store, project, heir, false, err);
}

enum avj_status avj_project_delete_all(struct avj_store *store, const char *project,
                                       struct avj_error *err)
{
    return delete_project(store, project, NULL, true, err);
}
