import type { Report } from './report.ts';
export function renderHtml(reports: readonly Report[]): string {
  return JSON.stringify(reports);
}
