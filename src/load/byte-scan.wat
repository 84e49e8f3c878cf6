;; Searches that look at sixteen bytes at a time. They may read up to fifteen bytes beyond `end`, never look at them.
(module
  (memory (import "scan" "memory") 1)

  ;; Where the bytes at `needle` (one or more) lie first in [at, end); -1: nowhere.
  ;; A place is looked at closely when both its first and its last byte are those of the needle.
  (func (export "find") (param $at i32) (param $end i32) (param $needle i32) (param $length i32) (result i32)
    (local $first v128) (local $last v128) (local $step i32) (local $bits i32) (local $place i32) (local $i i32)
    (local.set $step (i32.sub (local.get $length) (i32.const 1)))
    ;; From here on `end` is where no needle can begin any more.
    (local.set $end (i32.sub (local.get $end) (local.get $step)))
    (local.set $first (v128.load8_splat (local.get $needle)))
    (local.set $last (v128.load8_splat (i32.add (local.get $needle) (local.get $step))))
    (block $absent
      (loop $blocks
        (br_if $absent (i32.ge_s (local.get $at) (local.get $end)))
        (local.set $bits (i8x16.bitmask (v128.and
          (i8x16.eq (v128.load (local.get $at)) (local.get $first))
          (i8x16.eq (v128.load (i32.add (local.get $at) (local.get $step))) (local.get $last)))))
        (block $none
          (loop $places
            (br_if $none (i32.eqz (local.get $bits)))
            (local.set $place (i32.add (local.get $at) (i32.ctz (local.get $bits))))
            (br_if $absent (i32.ge_s (local.get $place) (local.get $end)))
            (local.set $bits (i32.and (local.get $bits) (i32.sub (local.get $bits) (i32.const 1))))
            (local.set $i (i32.const 1))
            (block $differs
              (loop $bytes
                (if (i32.ge_s (local.get $i) (local.get $step)) (then (return (local.get $place))))
                (br_if $differs (i32.ne
                  (i32.load8_u (i32.add (local.get $place) (local.get $i)))
                  (i32.load8_u (i32.add (local.get $needle) (local.get $i)))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $bytes)))
            (br $places)))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $blocks)))
    (i32.const -1))

  ;; The value of one to eight decimal digits. They end up in the upper bytes, zeros in the lower, which stand for leading zeros.
  (func $eight (param $at i32) (param $count i32) (result i32)
    (local $digits i64)
    (local.set $digits (i64.shl
      (i64.xor (i64.load (local.get $at)) (i64.const 0x3030303030303030))
      (i64.extend_i32_u (i32.sub (i32.const 64) (i32.mul (local.get $count) (i32.const 8))))))
    ;; Pairs of digits, in every other byte; then all four pairs by their weights at once.
    (local.set $digits (i64.add (i64.mul (local.get $digits) (i64.const 10)) (i64.shr_u (local.get $digits) (i64.const 8))))
    (i32.wrap_i64 (i64.shr_u
      (i64.add
        (i64.mul (i64.and (local.get $digits) (i64.const 0x000000ff000000ff)) (i64.const 0x000f424000000064))
        (i64.mul (i64.and (i64.shr_u (local.get $digits) (i64.const 16)) (i64.const 0x000000ff000000ff)) (i64.const 0x0000271000000001)))
      (i64.const 32))))

  ;; The value of no digit to nine.
  (func $nine (param $at i32) (param $count i32) (result i32)
    (if (i32.eqz (local.get $count)) (then (return (i32.const 0))))
    (if (i32.lt_s (local.get $count) (i32.const 9)) (then (return (call $eight (local.get $at) (local.get $count)))))
    (i32.add
      (i32.mul (i32.sub (i32.load8_u (local.get $at)) (i32.const 0x30)) (i32.const 100000000))
      (call $eight (i32.add (local.get $at) (i32.const 1)) (i32.const 8))))

  ;; How many decimal digits begin at `at`; 16: as many or more.
  (func $digits (param $at i32) (result i32)
    (i32.ctz (i32.or (i32.const 0x10000) (i8x16.bitmask (i8x16.gt_u
      (i8x16.sub (v128.load (local.get $at)) (i8x16.splat (i32.const 0x30)))
      (i8x16.splat (i32.const 9)))))))

  ;; Follows a layout of JSON: values of known kinds, each behind bytes that are known. `steps` has six words for each value: where the bytes
  ;; before it are kept, how many they are, its kind, and three that are written here. Kinds and what is written:
  ;; 0 a string without escapes, 1 any string: where it begins, where its closing quote lies;
  ;; 2 whole digits, 3 whole digits in quotes, at most 20: the last nine, the nine before them, the two before those;
  ;; 4 anything else that is no object or list: nothing.
  ;; Where the last value ends; -1: something else is there, or [at, end) is over.
  (func (export "follow") (param $at i32) (param $end i32) (param $steps i32) (param $count i32) (result i32)
    (local $glue i32) (local $left i32) (local $bits i32) (local $kind i32) (local $part i32) (local $block v128)
    (block $differs
      (loop $each
        (local.set $glue (i32.load (local.get $steps)))
        (local.set $left (i32.load offset=4 (local.get $steps)))
        (br_if $differs (i32.gt_s (i32.add (local.get $at) (local.get $left)) (local.get $end)))
        (loop $known
          (local.set $bits (i32.xor (i32.const 0xffff) (i8x16.bitmask
            (i8x16.eq (v128.load (local.get $at)) (v128.load (local.get $glue))))))
          (if (i32.gt_s (local.get $left) (i32.const 16)) (then
            (br_if $differs (local.get $bits))
            (local.set $at (i32.add (local.get $at) (i32.const 16)))
            (local.set $glue (i32.add (local.get $glue) (i32.const 16)))
            (local.set $left (i32.sub (local.get $left) (i32.const 16)))
            (br $known))))
        ;; Of the last block only what is left counts.
        (br_if $differs (i32.shl (local.get $bits) (i32.sub (i32.const 32) (local.get $left))))
        (local.set $at (i32.add (local.get $at) (local.get $left)))
        (local.set $kind (i32.load offset=8 (local.get $steps)))
        (block $done
          (if (i32.lt_u (local.get $kind) (i32.const 2)) (then
            (i32.store offset=12 (local.get $steps) (local.get $at))
            (loop $blocks
              (br_if $differs (i32.ge_s (local.get $at) (local.get $end)))
              (local.set $block (v128.load (local.get $at)))
              (local.set $bits (i8x16.bitmask (v128.or
                (i8x16.eq (local.get $block) (i8x16.splat (i32.const 0x22)))
                (i8x16.eq (local.get $block) (i8x16.splat (i32.const 0x5c))))))
              (if (i32.eqz (local.get $bits)) (then
                (local.set $at (i32.add (local.get $at) (i32.const 16)))
                (br $blocks)))
              (local.set $at (i32.add (local.get $at) (i32.ctz (local.get $bits))))
              (br_if $differs (i32.ge_s (local.get $at) (local.get $end)))
              (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 0x22)) (then
                (br_if $differs (i32.eqz (local.get $kind)))
                (local.set $at (i32.add (local.get $at) (i32.const 2)))
                (br $blocks))))
            (i32.store offset=16 (local.get $steps) (local.get $at))
            (br $done)))
          (if (i32.lt_u (local.get $kind) (i32.const 4)) (then
            (local.set $left (call $digits (local.get $at)))
            (if (i32.eq (local.get $left) (i32.const 16)) (then
              (local.set $left (i32.add (local.get $left) (call $digits (i32.add (local.get $at) (i32.const 16)))))))
            (br_if $differs (i32.eqz (local.get $left)))
            (br_if $differs (i32.gt_s (local.get $left) (i32.const 20)))
            (local.set $glue (local.get $at))
            (local.set $at (i32.add (local.get $at) (local.get $left)))
            (br_if $differs (i32.ge_s (local.get $at) (local.get $end)))
            (local.set $part (select (local.get $left) (i32.const 9) (i32.lt_s (local.get $left) (i32.const 9))))
            (local.set $left (i32.sub (local.get $left) (local.get $part)))
            (i32.store offset=12 (local.get $steps) (call $nine (i32.add (local.get $glue) (local.get $left)) (local.get $part)))
            (local.set $part (select (local.get $left) (i32.const 9) (i32.lt_s (local.get $left) (i32.const 9))))
            (local.set $left (i32.sub (local.get $left) (local.get $part)))
            (i32.store offset=16 (local.get $steps) (call $nine (i32.add (local.get $glue) (local.get $left)) (local.get $part)))
            (i32.store offset=20 (local.get $steps) (call $nine (local.get $glue) (local.get $left)))
            (local.set $bits (i32.load8_u (local.get $at)))
            (if (i32.eq (local.get $kind) (i32.const 3))
              (then (br_if $differs (i32.ne (local.get $bits) (i32.const 0x22))))
              (else (br_if $differs (i32.eqz (call $ends (local.get $bits))))))
            (br $done)))
          (loop $bytes
            (br_if $differs (i32.ge_s (local.get $at) (local.get $end)))
            (br_if $done (call $ends (i32.load8_u (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $bytes)))
        (local.set $steps (i32.add (local.get $steps) (i32.const 24)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br_if $each (local.get $count)))
      (return (local.get $at)))
    (i32.const -1))

  ;; Whether a byte may follow a number, true, false or null: a comma, a closing brace, a blank.
  (func $ends (param $byte i32) (result i32)
    (i32.or
      (i32.or (i32.eq (local.get $byte) (i32.const 0x2c)) (i32.eq (local.get $byte) (i32.const 0x7d)))
      (i32.le_u (local.get $byte) (i32.const 0x20)))))
