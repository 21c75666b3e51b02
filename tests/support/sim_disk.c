/* Files and directories of the simulated disk, cached and durable: see sim_disk.h. */
#include "tests/support/sim_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *sim_must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ---- nodes ---- */

struct sim_node *sim_node_new(struct sim_disk *disk, bool dir, const char *name)
{
    struct sim_node *node = sim_must(calloc(1, sizeof *node));

    node->refs = 1;
    node->dir = dir;
    node->serial = ++disk->next_serial;
    snprintf(node->name, sizeof node->name, "%s", name);
    if (!dir) {
        node->cached = sim_image_new();
        node->durable = sim_image_new();
    }
    return node;
}

struct sim_node *sim_node_ref(struct sim_node *node)
{
    node->refs++;
    return node;
}

static void names_clear(struct sim_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        sim_node_unref(names->entries[i].node);
    free(names->entries);
    *names = (struct sim_names){0};
}

static void names_copy(struct sim_names *to, const struct sim_names *from)
{
    names_clear(to);
    if (from->count == 0)
        return;
    to->entries = sim_must(malloc(from->count * sizeof *to->entries));
    to->count = to->cap = from->count;
    memcpy(to->entries, from->entries, from->count * sizeof *to->entries);
    for (size_t i = 0; i < to->count; i++)
        sim_node_ref(to->entries[i].node);
}

static void op_release(struct sim_op *op)
{
    if (op->node)
        sim_node_unref(op->node);
    if (op->target)
        sim_node_unref(op->target);
    if (op->move && --op->move->refs == 0)
        free(op->move);
}

static void ops_clear(struct sim_node *dir)
{
    for (size_t i = 0; i < dir->op_count; i++)
        op_release(&dir->ops[i]);
    dir->op_count = 0;
}

static void piece_release(struct sim_piece *piece)
{
    for (unsigned i = 0; i < piece->versions; i++)
        free(piece->data[i]);
}

static void pieces_clear(struct sim_node *file)
{
    for (size_t i = 0; i < file->piece_count; i++)
        piece_release(&file->pieces[i]);
    file->piece_count = file->lost_count = 0;
}

void sim_node_unref(struct sim_node *node)
{
    if (--node->refs > 0)
        return;
    names_clear(&node->now);
    names_clear(&node->synced);
    ops_clear(node);
    free(node->ops);
    pieces_clear(node);
    free(node->pieces);
    sim_image_unref(node->cached);
    sim_image_unref(node->durable);
    free(node);
}

/* ---- names ---- */

struct sim_entry *sim_names_find(const struct sim_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->entries[i].name, name) == 0)
            return &names->entries[i];
    return NULL;
}

void sim_names_put(struct sim_names *names, const char *name, struct sim_node *node)
{
    struct sim_entry *entry = sim_names_find(names, name);

    sim_node_ref(node);
    if (entry) {
        sim_node_unref(entry->node);
    } else {
        SIM_ROOM(names->entries, names->count, names->cap);
        entry = &names->entries[names->count++];
        snprintf(entry->name, sizeof entry->name, "%s", name);
    }
    entry->node = node;
}

void sim_names_remove(struct sim_names *names, const char *name)
{
    struct sim_entry *entry = sim_names_find(names, name);

    if (!entry)
        return;
    sim_node_unref(entry->node);
    *entry = names->entries[--names->count];
}

/* After a power cut an operation may be there without those before it: a rename then gives the file
 * its new name, and takes the old one only where it still is that file's. */
void sim_names_apply(struct sim_names *names, const struct sim_op *op)
{
    struct sim_entry *old;

    switch (op->kind) {
    case SIM_LINK:
        sim_names_put(names, op->name, op->node);
        break;
    case SIM_UNLINK:
        sim_names_remove(names, op->name);
        break;
    case SIM_RENAME:
        old = sim_names_find(names, op->name);
        if (old && old->node == op->node)
            sim_names_remove(names, op->name);
        sim_names_put(names, op->to, op->node);
        break;
    case SIM_AWAY:
        old = sim_names_find(names, op->name);
        if (old && old->node == op->node)
            sim_names_remove(names, op->name);
        break;
    }
}

void sim_dir_change(struct sim_disk *disk, struct sim_node *dir, const struct sim_op *op)
{
    SIM_ROOM(dir->ops, dir->op_count, dir->op_cap);
    dir->ops[dir->op_count++] = *op;
    if (op->node)
        sim_node_ref(op->node);
    if (op->target)
        sim_node_ref(op->target);
    if (op->move)
        op->move->refs++;
    sim_names_apply(&dir->now, op);
    disk->changes++;
}

/* What was moved away from here is durable where it went to first: a file system does that in one.
 */
void sim_dir_sync(struct sim_node *dir)
{
    for (size_t i = 0; i < dir->op_count; i++) {
        struct sim_op *op = &dir->ops[i];
        bool link_first = op->kind == SIM_AWAY && !op->move->durable;
        if (op->move)
            op->move->durable = true;
        if (link_first)
            sim_dir_sync(op->target);
    }
    if (dir->op_count == 0)
        return;
    ops_clear(dir);
    names_copy(&dir->synced, &dir->now);
}

/* The first part of *path, which moves on behind it; false: there is none. */
static bool next_part(const char **path, char name[SIM_NAME])
{
    const char *from = *path + strspn(*path, "/");
    size_t len = strcspn(from, "/");

    if (len >= SIM_NAME)
        abort();
    memcpy(name, from, len);
    name[len] = 0;
    *path = from + len;
    return len > 0;
}

int sim_walk(struct sim_disk *disk, const char *path, struct sim_node **dir, char name[SIM_NAME])
{
    struct sim_node *here = disk->root;
    char part[SIM_NAME] = "";

    if (!next_part(&path, name))
        return -EINVAL;
    while (next_part(&path, part)) {
        struct sim_entry *entry = sim_names_find(&here->now, name);
        if (!entry)
            return -ENOENT;
        if (!entry->node->dir)
            return -ENOTDIR;
        here = entry->node;
        memcpy(name, part, SIM_NAME);
    }
    *dir = here;
    return 0;
}

struct sim_node *sim_lookup(struct sim_disk *disk, const char *path)
{
    struct sim_node *dir;
    struct sim_entry *entry;
    char name[SIM_NAME];

    if (path[strspn(path, "/")] == 0)
        return disk->root;
    if (sim_walk(disk, path, &dir, name) < 0)
        return NULL;
    entry = sim_names_find(&dir->now, name);
    return entry ? entry->node : NULL;
}

/* ---- files ---- */

/* Writing to a page makes it dirty as a whole: what a failed sync gave up in it will be written
 * after all. */
static void page_is_dirty(struct sim_node *file, uint64_t offset, size_t len)
{
    uint64_t from = offset / SIM_PAGE, to = (offset + len - 1) / SIM_PAGE;

    for (size_t i = 0; file->lost_count > 0 && i < file->piece_count; i++) {
        struct sim_piece *piece = &file->pieces[i];
        uint64_t page = piece->offset / SIM_PAGE;
        if (piece->lost && page >= from && page <= to) {
            piece->lost = false;
            file->lost_count--;
        }
    }
}

/* The newest piece that these bytes touch, when it has just their place. */
static struct sim_piece *piece_at(struct sim_node *file, uint64_t offset, size_t len)
{
    if (offset >= sim_image_size(file->cached))
        return NULL;
    for (size_t i = file->piece_count; i-- > 0;) {
        struct sim_piece *piece = &file->pieces[i];
        if (piece->offset < offset + len && offset < piece->offset + piece->len)
            return piece->offset == offset && piece->len == len ? piece : NULL;
    }
    return NULL;
}

static void remember(struct sim_node *file, const void *data, size_t len, uint64_t offset)
{
    struct sim_piece *piece = piece_at(file, offset, len);
    uint8_t *copy = memcpy(sim_must(malloc(len)), data, len);

    if (!piece) {
        SIM_ROOM(file->pieces, file->piece_count, file->piece_cap);
        piece = &file->pieces[file->piece_count++];
        *piece = (struct sim_piece){.offset = offset, .len = (uint32_t)len};
    }
    if (piece->versions == SIM_VERSIONS)
        free(piece->data[--piece->versions]);
    piece->data[piece->versions++] = copy;
}

void sim_file_write(struct sim_disk *disk, struct sim_node *file, const void *data, size_t len,
                    uint64_t offset)
{
    const uint8_t *from = data;

    if (len == 0)
        return;
    page_is_dirty(file, offset, len);
    for (size_t done = 0; done < len;) {
        size_t n = SIM_SECTOR - (size_t)((offset + done) % SIM_SECTOR);
        if (n > len - done)
            n = len - done;
        /* What changes no byte is no loss, but for the size. */
        if (!sim_image_same(file->cached, from + done, n, offset + done))
            remember(file, from + done, n, offset + done);
        done += n;
    }
    sim_image_write(&file->cached, data, len, offset);
    disk->changes++;
}

static void write_out(struct sim_node *file, const struct sim_piece *piece)
{
    sim_image_write(&file->durable, piece->data[piece->versions - 1], piece->len, piece->offset);
}

void sim_file_sync(struct sim_node *file)
{
    size_t kept = 0;

    if (file->lost_count == 0) {
        pieces_clear(file);
        sim_image_unref(file->durable);
        file->durable = sim_image_ref(file->cached);
        return;
    }
    for (size_t i = 0; i < file->piece_count; i++) {
        struct sim_piece *piece = &file->pieces[i];
        if (piece->lost) {
            file->pieces[kept++] = *piece;
            continue;
        }
        write_out(file, piece);
        piece_release(piece);
    }
    file->piece_count = kept;
    sim_image_grow(&file->durable, sim_image_size(file->cached));
}

void sim_file_sync_fails(struct sim_node *file, enum sim_sync_failure failure)
{
    uint64_t size = sim_image_size(file->cached);

    if (failure == SIM_SYNC_LOST) {
        for (size_t i = 0; i < file->piece_count; i++)
            file->pieces[i].lost = true;
        file->lost_count = file->piece_count;
        return;
    }
    pieces_clear(file);
    sim_image_unref(file->cached);
    file->cached = sim_image_ref(file->durable);
    sim_image_grow(&file->cached, size);
}
