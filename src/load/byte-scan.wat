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

  ;; Where the first quote or backslash of [at, end) lies; -1: nowhere.
  (func (export "quote") (param $at i32) (param $end i32) (result i32)
    (local $bits i32) (local $block v128)
    (block $absent
      (loop $blocks
        (br_if $absent (i32.ge_s (local.get $at) (local.get $end)))
        (local.set $block (v128.load (local.get $at)))
        (local.set $bits (i8x16.bitmask (v128.or
          (i8x16.eq (local.get $block) (i8x16.splat (i32.const 0x22)))
          (i8x16.eq (local.get $block) (i8x16.splat (i32.const 0x5c))))))
        (if (local.get $bits) (then
          (local.set $at (i32.add (local.get $at) (i32.ctz (local.get $bits))))
          (br_if $absent (i32.ge_s (local.get $at) (local.get $end)))
          (return (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $blocks)))
    (i32.const -1)))
