import { Packr } from 'msgpackr';
import { configValueBytesMax } from './config-store.ts';

const formatVersion = 1;
const packr = new Packr({ useRecords: false, copyBuffers: true });

/** Version byte, MessagePack; a buffer of its own. @throws RangeError above `configValueBytesMax` */
export function encodeConfig(value: unknown): Buffer {
  const packed = packr.pack(value);
  if (packed.length > configValueBytesMax) throw new RangeError(`a value of ${packed.length} bytes is too large`);
  const bytes = Buffer.allocUnsafeSlow(1 + packed.length);
  bytes[0] = formatVersion;
  packed.copy(bytes, 1);
  return bytes;
}

/** @throws TypeError when a newer Rookery wrote it, or somebody else did */
export function decodeConfig(bytes: Uint8Array): unknown {
  if (bytes[0] !== formatVersion)
    throw new TypeError(
      `a value of format ${bytes[0]} in the configuration store; this Rookery reads ${formatVersion}`,
    );
  return packr.unpack(bytes.subarray(1));
}
