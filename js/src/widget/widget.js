// The widget's own file, which the tracker fetches when a page has a place for it.

import { Box } from './box.js';

/** @type {{ friendbuy?: { push(command: unknown[]): unknown } }} */ (/** @type {unknown} */ (window)).friendbuy?.push([
  'widget.ready',
  (/** @type {ConstructorParameters<typeof Box>} */ ...place) => void new Box(...place),
]);
